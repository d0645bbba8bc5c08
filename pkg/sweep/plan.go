// Package sweep runs many configurations of one experiment: a plan, frozen to a file, lists its trials; Run does those
// that are not done yet, each in a folder of its own; Collect makes a table of what they found. The same plan runs from
// a notebook's cell, from the command line, and spread over the tasks of a cluster's array.
package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/renameio/v2"

	"github.com/scoresde/scoresde/pkg/run"
)

// MaxTrials is the size beyond which a plan is refused.
const MaxTrials = 100_000

const (
	planFile    = "plan.json"
	planVersion = 1       // of plan.json and of the ids: it changes when the same configuration would mean another trial
	maxPlanFile = 1 << 28 // bytes
)

// Plan is a frozen list of trials.
type Plan struct {
	Name   string   // of the sweep's folder: letters, digits, '.', '_', '-'
	Axes   []string // TOML keys that vary, in the order in which they were given
	Trials []Planned
}

// Planned is a trial to do.
type Planned struct {
	// ID is made of the configuration alone, so that no change of the rest of the plan changes it.
	ID string `json:"id"`
	// Config is the whole configuration, as canonical TOML.
	Config string `json:"config"`
}

// planned makes a trial of a configuration.
func planned(config []byte) Planned {
	return Planned{ID: idOf(config), Config: string(config)}
}

// idOf is the first 12 digits of SHA-256 over the version and the canonical configuration.
func idOf(config []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "scoresde sweep %d\n", planVersion)
	h.Write(config) // a hash does not fail
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// planJSON is the content of plan.json.
type planJSON struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Axes    []string  `json:"axes"`
	Trials  []Planned `json:"trials"`
}

// Diff is what freezing a plan changed. Folders of removed trials stay; no table shows them.
type Diff struct{ Kept, Added, Removed []string } // ids

// String counts.
func (d Diff) String() string {
	return fmt.Sprintf("%d trials kept, %d added, %d removed", len(d.Kept), len(d.Added), len(d.Removed))
}

// Freeze writes plan.json into dir, which it makes, whole or not at all, and says how the plan differs from the one that
// was there. A plan of another name is refused. An equal plan is left untouched.
func (p Plan) Freeze(dir string) (Diff, error) {
	if err := p.check(); err != nil {
		return Diff{}, err
	}
	old, err := ReadPlan(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = Plan{Name: p.Name}
	case err != nil:
		return Diff{}, fmt.Errorf("%w; remove the file to plan anew", err)
	case old.Name != p.Name:
		return Diff{}, fmt.Errorf("sweep: %s holds the plan %q, want %q: name the plans apart", dir, old.Name, p.Name)
	}
	d := diff(old, p)
	if err == nil && p.same(old) {
		return d, nil
	}
	text, err := json.MarshalIndent(planJSON{planVersion, p.Name, p.Axes, p.Trials}, "", " ")
	if err != nil {
		return Diff{}, fmt.Errorf("sweep: %w", err)
	}
	if err := run.Folder(dir); err != nil {
		return Diff{}, err
	}
	if err := renameio.WriteFile(filepath.Join(dir, planFile), append(text, '\n'), 0o644); err != nil {
		return Diff{}, fmt.Errorf("sweep: %w", err)
	}
	return d, nil
}

func diff(old, now Plan) (d Diff) {
	before := map[string]bool{}
	for _, t := range old.Trials {
		before[t.ID] = true
	}
	for _, t := range now.Trials {
		if before[t.ID] {
			d.Kept = append(d.Kept, t.ID)
		} else {
			d.Added = append(d.Added, t.ID)
		}
		delete(before, t.ID)
	}
	for _, t := range old.Trials {
		if before[t.ID] {
			d.Removed = append(d.Removed, t.ID)
		}
	}
	return d
}

func (p Plan) same(q Plan) bool {
	a, errA := json.Marshal(p)
	b, errB := json.Marshal(q)
	return errA == nil && errB == nil && string(a) == string(b)
}

// ReadPlan reads the plan frozen in dir. The error wraps fs.ErrNotExist where there is none.
func ReadPlan(dir string) (Plan, error) {
	f, err := os.Open(filepath.Join(dir, planFile))
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: %w", err)
	}
	p, err := parsePlan(text)
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: %s: %w", f.Name(), err)
	}
	return p, nil
}

// parsePlan reads plan.json and checks all of it: a trial's folder is named after its id, which must be what the
// configuration makes it.
func parsePlan(text []byte) (Plan, error) {
	if len(text) > maxPlanFile {
		return Plan{}, fmt.Errorf("more than %d bytes", maxPlanFile)
	}
	var file planJSON
	if err := json.Unmarshal(text, &file); err != nil {
		return Plan{}, err
	}
	if file.Version != planVersion {
		return Plan{}, fmt.Errorf("version %d, want %d", file.Version, planVersion)
	}
	p := Plan{file.Name, file.Axes, file.Trials}
	return p, p.check()
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)
	plainKey  = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// check refuses names that are no plain folders, keys that are none, and trials that are missing, doubled or not what
// their ids say.
func (p Plan) check() error {
	if !plainName.MatchString(p.Name) {
		return fmt.Errorf("sweep: name %q, want letters, digits, '.', '_' or '-' and no '.' or '-' first", p.Name)
	}
	if len(p.Trials) == 0 {
		return fmt.Errorf("sweep: plan %s has no trials", p.Name)
	}
	if err := checkSize(len(p.Trials)); err != nil {
		return err
	}
	if err := checkKeys(p.Axes); err != nil {
		return err
	}
	seen := make(map[string]int, len(p.Trials))
	for i, t := range p.Trials {
		if want := idOf([]byte(t.Config)); t.ID != want {
			return fmt.Errorf("sweep: trial %d has id %q, but its configuration makes %s", i, t.ID, want)
		}
		if k, ok := seen[t.ID]; ok {
			return fmt.Errorf("sweep: trials %d and %d are the same, %s", k, i, t.ID)
		}
		seen[t.ID] = i
	}
	return nil
}

func checkKeys(keys []string) error {
	seen := map[string]bool{}
	for _, k := range keys {
		if !plainKey.MatchString(k) {
			return fmt.Errorf("sweep: axis %q, want the TOML key of a field, such as %q", k, "learning_rate")
		}
		if seen[k] {
			return fmt.Errorf("sweep: two axes %q, want each key once", k)
		}
		seen[k] = true
	}
	return nil
}

func checkSize(n int) error {
	if n > MaxTrials {
		return fmt.Errorf("sweep: a plan of %d trials, want at most %d", n, MaxTrials)
	}
	return nil
}
