package run

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Manifest is the content of manifest.json: what a run was made of, besides its config.
type Manifest struct {
	Created     time.Time         `json:"created"`
	Seeds       []int64           `json:"seeds,omitempty"`
	Data        map[string]string `json:"data,omitempty"` // SHA-256 of each data set
	Environment                   // in which the run began
	Resumed     []Environment     `json:"resumed,omitempty"` // others in which it went on
}

// Environment is what the numbers of a run may depend on besides its config and data. What is not known is empty, and
// paths are left out.
type Environment struct {
	Version  string `json:"version"` // of the laboratory: of the module, or the revision, with +dirty where files had changed
	Go       string `json:"go"`
	GoMLX    string `json:"gomlx"`
	GoMod    string `json:"go_mod"` // SHA-256 of go.mod
	Platform string `json:"platform"`
	Backend  string `json:"backend"`
	Device   string `json:"device"`
	XLAFlags string `json:"xla_flags,omitempty"` // XLA_FLAGS, on which determinism depends on a GPU
}

const (
	manifestFile = "manifest.json"
	maxManifest  = 1 << 20 // bytes
	modulePath   = "github.com/scoresde/scoresde"
	gomlxPath    = "github.com/gomlx/gomlx"
)

// ReadManifest returns the manifest of the run in dir; the error is fs.ErrNotExist where there is none.
func ReadManifest(dir string) (Manifest, error) {
	var m Manifest
	blob, err := readSmall(filepath.Join(dir, manifestFile), maxManifest)
	if err != nil {
		return Manifest{}, fmt.Errorf("run: manifest: %w", err)
	}
	if err := json.Unmarshal(blob, &m); err != nil {
		return Manifest{}, fmt.Errorf("run: %s: %w", filepath.Join(dir, manifestFile), err)
	}
	return m, nil
}

// record writes the manifest of a new run, or compares that of an old one and adds the environment in which it goes on.
func (set Options) record(dir string) error {
	now := set.environment()
	m, err := ReadManifest(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		m = Manifest{Created: time.Now().UTC().Truncate(time.Second), Seeds: set.Seeds, Data: set.Data, Environment: now}
	case err != nil:
		return err
	default:
		if d := differences(m.tables(), Manifest{Seeds: set.Seeds, Data: set.Data}.tables()); len(d) > 0 {
			return fmt.Errorf("run: %s was begun with other seeds or data: %s", dir, strings.Join(d, "; "))
		}
		if last := append([]Environment{m.Environment}, m.Resumed...); reflect.DeepEqual(last[len(last)-1], now) {
			return nil
		}
		m.Resumed = append(m.Resumed, now)
	}
	if err := writeJSON(filepath.Join(dir, manifestFile), m); err != nil {
		return fmt.Errorf("run: manifest: %w", err)
	}
	return nil
}

// tables is what must stay the same, for comparison.
func (m Manifest) tables() map[string]any {
	data := map[string]any{}
	for name, sum := range m.Data {
		data[name] = sum
	}
	return map[string]any{"seeds": fmt.Sprint(m.Seeds), "data": data}
}

func (set Options) environment() Environment {
	e := Environment{
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Backend: set.Backend, Device: withoutPaths(set.Device), XLAFlags: withoutPaths(os.Getenv("XLA_FLAGS")),
	}
	if blob, err := os.ReadFile(filepath.Join(Root(), "go.mod")); err == nil {
		e.GoMod = fmt.Sprintf("%x", sha256.Sum256(blob))
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return e
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		switch m.Path {
		case modulePath:
			e.Version = m.Version
		case gomlxPath:
			e.GoMLX = m.Version
		}
	}
	if info.Main.Path == modulePath {
		if revision := setting(info, "vcs.revision"); revision != "" {
			e.Version = revision
			if setting(info, "vcs.modified") == "true" {
				e.Version += "+dirty"
			}
		}
	}
	return e
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

var folders = regexp.MustCompile(`/[^\s:=,()]*/`)

// withoutPaths leaves of paths in a text only the last element: the rest says where things lie on a machine.
func withoutPaths(text string) string { return folders.ReplaceAllString(text, "") }
