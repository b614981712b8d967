package datasets

import (
	"os"
	"path/filepath"
)

// State says how much of a data set was found.
type State string

const (
	// Present: every file is there (which says nothing of their content, see [Verify]).
	Present State = "present"
	// Partial: some files are there.
	Partial State = "partial"
	// Absent: nothing of it is there.
	Absent State = "absent"
)

// Status is what [List] knows of one data set.
type Status struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Path is the folder where it was found; empty for absent and embedded data.
	Path string `json:"path,omitempty"`
	// Format is "binary", "webp", "webp by index.csv" where that says which of the images are there, "embedded" for the data
	// inside the program, and of sound "flac in tar" or the official archive's "folders", with the version.
	Format string `json:"format,omitempty"`
	// Bytes is the size of the files that were found.
	Bytes int64 `json:"bytes"`
	// Missing lists the files that lack in a partial set, or says how many do.
	Missing []string `json:"missing,omitempty"`
	// Problem is why what was found does not open; empty where it does, which is looked for in folders of recordings only.
	Problem string `json:"problem,omitempty"`
	// URL is where Fetch gets it; empty where it cannot.
	URL string `json:"url,omitempty"`
	// Licence and Reference are what a user of the data has to know.
	Licence   string `json:"licence"`
	Reference string `json:"reference"`
}

var knownSets = []*cifarSet{&cifar10Set, &cifar100Set}

// List says of every data set whether it is in dir, in the order of [Names] without [FolderName]. With an empty dir only the
// embedded data is present.
func List(dir string) []Status { return append(list(dir, knownSets), listSound(dir)...) }

func list(dir string, sets []*cifarSet) []Status {
	embedded := Status{Name: "embedded", State: Present, Format: "embedded",
		Licence: cifar10Set.licence, Reference: cifar10Set.reference}
	if entries, err := embeddedFiles.ReadDir("embedded"); err == nil {
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				embedded.Bytes += info.Size()
			}
		}
	}
	out := []Status{embedded}
	for _, s := range sets {
		status := Status{Name: s.name, State: Absent, URL: s.url, Licence: s.licence, Reference: s.reference}
		if dir != "" {
			if loc, _, ok := s.locate(dir); ok {
				status.State, status.Path, status.Format, status.Missing = Present, loc.dir, s.format(loc), loc.missing
				if len(loc.missing) > 0 {
					status.State = Partial
				}
				for _, name := range s.names(loc.sheets) {
					if info, err := os.Stat(filepath.Join(loc.dir, name)); err == nil {
						status.Bytes += info.Size()
					}
				}
			}
		}
		out = append(out, status)
	}
	return out
}

func (s *cifarSet) format(loc location) string {
	switch {
	case !loc.sheets:
		return "binary"
	case s.listed:
		return "webp by " + indexFile
	}
	return "webp"
}
