package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"

	"github.com/scoresde/scoresde/pkg/run"
)

// Trial is one configuration at work.
type Trial[C any] struct {
	ID      string
	Index   int // in the plan
	Config  C
	Dir     string // of the trial: it persists from attempt to attempt, so that checkpoints can lie in it
	Restart bool   // the trial failed before and begins from scratch; its folder has been emptied

	run *run.Trial
}

// Log appends a line of values, NaN and infinities among them, to the trial's metrics.jsonl.
func (t *Trial[C]) Log(step int, values map[string]float64) error { return t.run.Log(step, values) }

// resultFile holds what a finished trial returned. It is written once, whole or not at all: a trial is done when and only
// when it has one.
const (
	resultFile = "result.json"
	maxResult  = 1 << 20 // bytes
)

// result is the content of result.json.
type result struct {
	Metrics map[string]number `json:"metrics"`
	Seconds float64           `json:"seconds"` // of the attempt that finished
}

// number is a float64 that JSON can hold: what is not finite becomes a string.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return json.Marshal(float64(n))
}

func (n *number) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		return json.Unmarshal(text, (*float64)(n))
	}
	v, err := strconv.ParseFloat(s, 64)
	*n = number(v)
	return err
}

func (r result) write(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("sweep: result: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, resultFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("sweep: result: %w", err)
	}
	return nil
}

// readResult returns nil, and no error, where the trial in dir is not done.
func readResult(dir string) (*result, error) {
	f, err := os.Open(filepath.Join(dir, resultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResult))
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	r, err := parseResult(text)
	if err != nil {
		return nil, fmt.Errorf("sweep: %s: %w", f.Name(), err)
	}
	return r, nil
}

func parseResult(text []byte) (*result, error) {
	r := new(result)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	return r, nil
}

// finish ends an attempt: its result is kept, then its status.
func (t *Trial[C]) finish(ctx context.Context, metrics map[string]float64, seconds float64, err error) error {
	if err == nil {
		err = t.run.Held()
	}
	if err == nil {
		r := result{Metrics: make(map[string]number, len(metrics)), Seconds: seconds}
		for name, v := range metrics {
			r.Metrics[name] = number(v)
		}
		err = r.write(t.Dir)
	} else if ctx.Err() != nil && run.ExitCode(err) != run.ExitRetry {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return errors.Join(err, t.run.Close(err))
}
