package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/gonas/gonas/datasets"
)

type dataCmd struct {
	List   dataListCmd   `cmd:"" help:"Which data sets are there."`
	Fetch  dataFetchCmd  `cmd:"" help:"Download a data set, check it and unpack it."`
	Verify dataVerifyCmd `cmd:"" help:"Check every file that can be checked; exit code 1 if one is wrong."`
}

// dataFlag names the data folder.
type dataFlag struct {
	Data string `help:"Data folder; without it the one that GONAS_DATA names." placeholder:"DIR"`
}

// folder is the data folder, or "" where none is named.
func (f dataFlag) folder() (string, error) {
	dir, err := datasets.ResolveDir(f.Data)
	if errors.Is(err, datasets.ErrNoDataDir) {
		return "", nil
	}
	return dir, err
}

type dataListCmd struct {
	dataFlag
	JSON bool `help:"Print JSON."`
}

// Run lists the data sets.
func (c dataListCmd) Run(a *app) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	list := datasets.List(dir)
	if c.JSON {
		return writeJSON(a.stdout, list)
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tFORMAT\tSIZE\tWHERE\tLICENCE")
	for _, s := range list {
		where := s.Path
		switch {
		case s.State == datasets.Absent && s.URL != "":
			where = "gonas data fetch " + s.Name + " --data DIR"
		case s.Problem != "":
			where += " (" + s.Problem + ")"
		case len(s.Missing) > 0:
			where += fmt.Sprintf(" (lacks %v)", s.Missing)
		case s.Format == "embedded":
			where = "in this binary"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.State, s.Format, bytesText(s.Bytes), where, s.Licence)
	}
	return table.Flush()
}

type dataFetchCmd struct {
	Name string `arg:"" help:"cifar10 or cifar100."`
	dataFlag
}

// Run downloads a data set.
func (c dataFetchCmd) Run(a *app) error {
	dir, err := datasets.ResolveDir(c.Data)
	if err != nil {
		return err
	}
	bar := newMeter(a.stderr)
	err = datasets.Fetch(a.ctx, c.Name, dir, func(p datasets.Progress) {
		bar.show(p.Stage, p.Done, p.Total, func() string {
			return fmt.Sprintf("%s: %s of %s", p.Stage, bytesText(p.Done), bytesText(p.Total))
		})
	})
	bar.end()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is in %s\n", c.Name, dir)
	return err
}

type dataVerifyCmd struct {
	dataFlag
	JSON bool `help:"Print JSON."`
}

// Run checks the data.
func (c dataVerifyCmd) Run(a *app) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	results := datasets.Verify(dir)
	wrong := 0
	for _, r := range results {
		if !r.OK {
			wrong++
		}
	}
	if c.JSON {
		err = writeJSON(a.stdout, results)
	} else {
		for _, r := range results {
			word, problem := "ok   ", ""
			if !r.OK {
				word, problem = "WRONG", ": "+r.Problem
			}
			fmt.Fprintf(a.stdout, "%s %s %s (%s)%s\n", word, r.Dataset, r.File, r.Check, problem)
		}
	}
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d of %d checks failed", wrong, len(results))
	}
	return err
}
