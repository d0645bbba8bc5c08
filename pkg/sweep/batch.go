package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Batch says which trials can be done together and how: as an ensemble in one executable, say. A trial's result must be
// the same, up to rounding, as by itself. The zero Batch does none.
type Batch[C any] struct {
	// Key is equal for configurations that can be done together.
	Key func(c C) string
	// Max is the number of trials done together, >= 2.
	Max int
	// Run does the trials and returns metrics and errors in their order.
	Run func(ctx context.Context, trials []*Trial[C]) (metrics []map[string]float64, errs []error)
}

func (b Batch[C]) check() error {
	if none := b.Run == nil && b.Key == nil && b.Max == 0; !none && (b.Run == nil || b.Key == nil || b.Max < 2) {
		return fmt.Errorf("sweep: Batch with Max = %d, Run nil: %t, Key nil: %t; want both functions and Max >= 2, or none of them",
			b.Max, b.Run == nil, b.Key == nil)
	}
	return nil
}

// Timing is what was measured of the trials of one key, both ways, and the choice that it led to.
type Timing struct {
	Single  float64 `json:"single_seconds"` // of a trial by itself, with everything compiled
	Batched float64 `json:"batch_seconds"`  // of a trial in a batch, its share
	Size    int     `json:"batch_size"`
	Chosen  bool    `json:"batched"` // batches are faster
}

// String says what was chosen.
func (t Timing) String() string {
	way := "one by one"
	if t.Chosen {
		way = "in batches"
	}
	return fmt.Sprintf("%s: %.3g s a trial by itself, %.3g s in a batch of %d", way, t.Single, t.Batched, t.Size)
}

// work does the trials of a group. Without a measurement the first two go one by one, where the second needs no
// compilation any more, and the next ones as a batch. If that loses, with its compilation, a second batch decides.
func (s *sweep[C]) work(ctx context.Context, g group) {
	probe := s.newProbe(g)
	for todo := g.trials; len(todo) > 0; {
		if ctx.Err() != nil {
			return
		}
		size := min(probe.size(len(todo)), len(todo))
		if size == 1 {
			took, ok := s.single(ctx, todo[0])
			if ok {
				probe.single(took)
			}
		} else if took, ok := s.together(ctx, todo[:size]); ok {
			if done := probe.batch(took, size, len(todo)-size); done {
				s.keepTiming(g.key, probe.Timing)
			}
		}
		todo = todo[size:]
	}
}

// probe measures until it is decided.
type probe struct {
	Timing
	max              int
	decided          bool
	singles, batches int
}

func (s *sweep[C]) newProbe(g group) *probe {
	p := &probe{max: s.batch.Max}
	if s.batch.Run == nil {
		p.decided = true
	} else if past, ok := readTimings(s.dir)[g.key]; ok {
		p.Timing, p.decided = past, true
	}
	return p
}

// size is how many of the trials left are done next.
func (p *probe) size(left int) int {
	batched := p.Chosen
	if !p.decided {
		batched = p.singles >= 2
	}
	if batched {
		return min(p.max, left)
	}
	return 1
}

func (p *probe) single(took time.Duration) {
	p.singles++
	p.Single = took.Seconds()
}

// batch notes a batch, after which so many trials are left, and says whether that decided.
func (p *probe) batch(took time.Duration, size, left int) (decided bool) {
	if p.decided {
		return false
	}
	p.batches++
	p.Batched, p.Size = took.Seconds()/float64(size), size
	p.Chosen = p.Batched < p.Single
	p.decided = p.Chosen || p.batches > 1 || left < p.max
	return p.decided
}

// together does trials as one batch, of those that no other process holds. ok says that all of them were done.
func (s *sweep[C]) together(ctx context.Context, indices []int) (took time.Duration, ok bool) {
	var trials []*Trial[C]
	for _, i := range indices {
		if t := s.open(ctx, i); t != nil {
			trials = append(trials, t)
		}
	}
	if len(trials) == 0 {
		return 0, false
	}
	start := time.Now()
	metrics, errs := s.guardedBatch(ctx, trials)
	took = time.Since(start)
	ok = len(trials) == len(indices)
	for k, t := range trials {
		err := t.finish(ctx, metrics[k], took.Seconds()/float64(len(trials)), errs[k])
		s.ended(t.Index, err)
		ok = ok && err == nil
	}
	return took, ok
}

// guardedBatch calls Batch.Run. A panic, or a wrong number of results, is a failure of all its trials.
func (s *sweep[C]) guardedBatch(ctx context.Context, trials []*Trial[C]) (metrics []map[string]float64, errs []error) {
	all := func(err error) {
		metrics, errs = make([]map[string]float64, len(trials)), make([]error, len(trials))
		for k := range errs {
			errs[k] = err
		}
	}
	defer func() {
		if r := recover(); r != nil {
			all(panicked(r))
		}
	}()
	metrics, errs = s.batch.Run(ctx, trials)
	if len(metrics) != len(trials) || len(errs) != len(trials) {
		all(fmt.Errorf("sweep: Batch.Run returned %d metrics and %d errors for %d trials", len(metrics), len(errs), len(trials)))
	}
	return metrics, errs
}

// timingFile holds the measurements of a sweep by key. It is advice: lost or damaged, it is measured again.
const (
	timingFile = "batching.json"
	maxTimings = 1 << 22 // bytes
)

func readTimings(dir string) map[string]Timing {
	f, err := os.Open(filepath.Join(dir, timingFile))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(os.Stderr, "scoresde:", err)
		}
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTimings))
	var timings map[string]Timing
	if err := errors.Join(err, json.Unmarshal(text, &timings)); err != nil {
		fmt.Fprintf(os.Stderr, "scoresde: passing over %s: %v\n", f.Name(), err)
		return nil
	}
	return timings
}

func (s *sweep[C]) keepTiming(key string, t Timing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	timings := readTimings(s.dir)
	if timings == nil {
		timings = map[string]Timing{}
	}
	timings[key] = t
	text, err := json.MarshalIndent(timings, "", " ")
	if err == nil {
		err = renameio.WriteFile(filepath.Join(s.dir, timingFile), append(text, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scoresde: the choice between batches and single trials is not kept:", err)
	}
}
