// Package fig is what a notebook shows and leaves behind: figures, tables, live progress, and in the folder
// results/<notebook> its PNGs, samples and metrics.json. It is the only package that talks to the GoNB kernel.
//
// Functions meant for cells panic with a clear message on failure, because a failed cell is the right answer there.
// Outside a notebook nothing is displayed, but every file is written.
//
// A notebook declares itself once; every later cell is a fresh process that evaluates the declaration again, cheaply:
//
//	var nb = fig.Open("000b_four_gaussians")
//
//	nb.Begin()                                              // first cell: forget the checks of earlier runs
//	n := fig.Pick(4_000, 20_000)                            // quick and full budget
//	nb.Show("forward", fig.Row(a, b), 8, 4)                 // a figure: saved and displayed
//	nb.SaveSamples("reverse_exact", x)                      // what a figure shows, for others to recheck
//	nb.Check(fig.Check{ID: "000-14", What: "std of mode 1", // a claim, with its tolerance
//		Value: std, Exact: new(0.2), Op: "within", Bound: 0.012, N: n, Stderr: se})
//	nb.Verdict()                                            // last cell: table of all checks, fails if one is missed
package fig

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/scoresde/scoresde/pkg/run"
)

// Notebook is the results folder of one notebook.
type Notebook struct {
	name   string
	dir    string
	budget string
	mu     sync.Mutex // serialises the read-modify-write of metrics.json
}

// Open returns the notebook called name (letters, digits, '.', '_', '-'; its file name without extension) and makes
// its folder <name> in run.Results(). It panics if the folder cannot be written or the budget is unknown, so that no work
// is done in vain.
func Open(name string) *Notebook { return must(open(name)) }

// Dir is the notebook's results folder.
func (nb *Notebook) Dir() string { return nb.dir }

func open(name string) (*Notebook, error) {
	if err := checkName("notebook", name); err != nil {
		return nil, err
	}
	budget, err := budgetOf(os.Getenv(budgetEnv))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(run.Results(), name)
	if err := run.Folder(dir); err != nil {
		return nil, fmt.Errorf("fig: set SCORESDE_RESULTS to a writable folder: %w", err)
	}
	return &Notebook{name: name, dir: dir, budget: budget}, nil
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// checkName keeps file names portable and inside the results folder.
func checkName(what, name string) error {
	if !plainName.MatchString(name) {
		return fmt.Errorf("fig: %s name %q, want letters, digits, '.', '_' or '-' and no leading '.' or '-'", what, name)
	}
	return nil
}

// write replaces a file of the results folder, whole or not at all.
func (nb *Notebook) write(file string, data []byte) error {
	if err := renameio.WriteFile(filepath.Join(nb.dir, file), data, 0o644); err != nil {
		return fmt.Errorf("fig: writing %s: %w", file, err)
	}
	return nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func try(err error) {
	if err != nil {
		panic(err)
	}
}
