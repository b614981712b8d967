package backend

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pluginVersion puts together what is known of a plug-in's version.
func pluginVersion(path string, major, minor int, platform string) string {
	var parts []string
	if name, version := pythonPackage(path); name != "" {
		parts = append(parts, name+" "+version)
	}
	parts = append(parts, fmt.Sprintf("PJRT %d.%d", major, minor))
	if platform != "" && platform != "cpu" {
		parts = append(parts, platform)
	}
	return strings.Join(parts, ", ")
}

// pythonPackage returns name and version of the Python package that brought
// the file, by the packages' lists of files, or "" where there is none.
func pythonPackage(path string) (name, version string) {
	// site-packages is one or two folders up: package/plugin.so or jax_plugins/package/plugin.so.
	site := filepath.Dir(path)
	for range 2 {
		site = filepath.Dir(site)
		inside, err := filepath.Rel(site, path)
		if err != nil {
			return "", ""
		}
		infos, _ := filepath.Glob(filepath.Join(escapeGlob(site), "*.dist-info"))
		for _, info := range infos {
			if record, err := os.ReadFile(filepath.Join(info, "RECORD")); err == nil &&
				strings.Contains("\n"+string(record), "\n"+filepath.ToSlash(inside)+",") {
				return packageHead(filepath.Join(info, "METADATA"))
			}
		}
	}
	return "", ""
}

// packageHead reads Name and Version from the head of a METADATA file.
func packageHead(path string) (name, version string) {
	file, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan() && lines.Text() != ""; {
		switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
		case "Name":
			name = value
		case "Version":
			version = value
		}
	}
	return name, version
}
