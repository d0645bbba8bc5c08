package ablation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/train"
)

// networksFolder, among the runs, says in which ensemble each network was trained: <id>.json lists the configurations of
// the members. So a network is found again by a trial that was no member, an interrupted ensemble goes on whole, and
// nothing is trained twice.
const networksFolder = "ablation-networks"

// dataSeed draws the examples, the same for every trial.
const dataSeed = 42

func (p parts) data() *matrix { return p.target.law.Sample(rand.New(rand.NewPCG(dataSeed, 0)), p.Data) }

// trained is the part of a configuration that decides on its network; the rest, with the numbers that its process does not
// have, is that of Default.
func (c Config) trained() Config {
	d := Default()
	d.Law, d.Data, d.Process = c.Law, c.Data, c.Process
	switch c.Process {
	case "ve", "edm":
		d.SigmaMin, d.SigmaMax = c.SigmaMin, c.SigmaMax
	default:
		d.BetaMin, d.BetaMax = c.BetaMin, c.BetaMax
	}
	d.Weighting, d.Times, d.Parametrisation, d.Width, d.Depth = c.Weighting, c.Times, c.Parametrisation, c.Width, c.Depth
	d.Steps, d.Batch, d.LearningRate, d.EMA, d.Seed = c.Steps, c.Batch, c.LearningRate, c.EMA, c.Seed
	return d
}

// text is a configuration as canonical TOML.
func (c Config) text() string {
	text, err := run.EncodeConfig(c)
	if err != nil {
		panic(err) // a flat struct of numbers and words
	}
	return string(text)
}

func hashOf(texts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(texts, "\n---\n")))
	return hex.EncodeToString(h[:6])
}

// joinable tells whether the network can be a member of an ensemble.
func (p parts) joinable() bool { return train.Compatible(p.training, p.training) == nil }

// network trains one network or finds it.
func (l *Lab) network(ctx context.Context, p parts) (*train.Fitted, error) {
	if !p.joinable() {
		return train.Fit(ctx, p.training, p.data(), l.set)
	}
	fits, errs := l.networks(ctx, []parts{p})
	return fits[0], errs[0]
}

// networks trains the networks of several trials, those that are new in one ensemble, or finds them. All are joinable, with
// each other too.
func (l *Lab) networks(ctx context.Context, all []parts) ([]*train.Fitted, []error) {
	fits, errs := make([]*train.Fitted, len(all)), make([]error, len(all))
	ensembles, err := l.assign(ctx, all)
	for k, p := range all {
		if errs[k] = err; err != nil {
			continue
		}
		text := p.trained().text()
		fits[k], errs[k] = l.member(ctx, ensembles[text], slices.Index(ensembles[text], text))
	}
	return fits, errs
}

func (l *Lab) networksDir() string {
	dir := l.set.Dir
	if dir == "" {
		dir = filepath.Join(run.Results(), "runs")
	}
	return filepath.Join(dir, networksFolder)
}

// assign says in which ensemble each network is trained, the texts of its members by the text of the network's
// configuration, and notes that of new ones before any work.
func (l *Lab) assign(ctx context.Context, all []parts) (ensembles map[string][]string, err error) {
	dir := l.networksDir()
	if err := run.Folder(dir); err != nil {
		return nil, err
	}
	release, err := run.Lock(ctx, dir, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	ensembles = map[string][]string{}
	var missing []string
	for _, p := range all {
		text := p.trained().text()
		if ensembles[text] != nil || slices.Contains(missing, text) {
			continue
		}
		members, err := readMembers(filepath.Join(dir, hashOf(text)+".json"), text)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, text)
		case err != nil:
			return nil, err
		default:
			ensembles[text] = members
		}
	}
	slices.Sort(missing)
	note, err := json.MarshalIndent(missing, "", " ")
	if err != nil {
		return nil, err
	}
	for _, text := range missing {
		if err := renameio.WriteFile(filepath.Join(dir, hashOf(text)+".json"), append(note, '\n'), 0o644); err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		ensembles[text] = missing
	}
	return ensembles, nil
}

// maxMembers bounds the file of an ensemble, in bytes.
const maxMembers = 1 << 22

// readMembers reads who is trained beside the network of a configuration, itself among them.
func readMembers(path, text string) (members []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxMembers {
		return nil, fmt.Errorf("ablation: %s has %d bytes, want at most %d", path, info.Size(), maxMembers)
	}
	blob, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(blob, &members); err != nil {
		return nil, fmt.Errorf("ablation: %s: %w", path, err)
	}
	if !slices.Contains(members, text) {
		return nil, fmt.Errorf("ablation: %s lists other networks than its own; remove it", path)
	}
	return members, nil
}

// member trains an ensemble, or loads it, and returns one of its members.
func (l *Lab) member(ctx context.Context, members []string, k int) (*train.Fitted, error) {
	e, err := l.ensemble(ctx, members)
	if err != nil {
		return nil, err
	}
	return e.Members[k], e.Failed[k]
}

// keptEnsembles bounds the memory for weights.
const keptEnsembles = 16

// ensemble is the ensemble of some configurations. It is trained once, whoever asks for it at the same time.
func (l *Lab) ensemble(ctx context.Context, members []string) (e *train.Ensemble, err error) {
	key := hashOf(members...)
	l.mu.Lock()
	k := slices.IndexFunc(l.ensembles, func(e keptEnsemble) bool { return e.key == key })
	if k >= 0 {
		e = l.ensembles[k].Ensemble
	}
	l.mu.Unlock()
	if e != nil {
		return e, nil
	}
	cfgs := make([]train.Config, len(members))
	var p parts
	for i, text := range members {
		c := Config{}
		if err := run.DecodeConfig([]byte(text), &c); err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		if p, err = c.parts(); err != nil {
			return nil, err
		}
		cfgs[i] = p.training
	}
	e, err = l.fitAll(ctx, cfgs, p.data())
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ensembles = append(l.ensembles[max(0, len(l.ensembles)+1-keptEnsembles):], keptEnsemble{key, e})
	return e, nil
}

type keptEnsemble struct {
	key string
	*train.Ensemble
}

// fitAll trains on the process's one trainer, whose executables serve every ensemble of the same form. The Go engine
// compiles nothing, so that trainings need not wait for each other.
func (l *Lab) fitAll(ctx context.Context, cfgs []train.Config, data *matrix) (*train.Ensemble, error) {
	if !backend.OnDevice(l.backend) {
		return train.FitAll(ctx, cfgs, data, l.set)
	}
	l.training.Lock()
	defer l.training.Unlock()
	return l.trainer.Fit(ctx, cfgs, data, l.set)
}
