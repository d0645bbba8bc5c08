package ablation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sweep"
	"github.com/scoresde/scoresde/pkg/train"
)

// Batch does trials together, at most limit of them, by training their networks in one ensemble (train.FitAll). They are
// sampled one by one, with the noise that each would have by itself, so that results are the same up to rounding. It is the
// zero Batch, which does none, for a limit below 2 and on the Go engine, where results do not depend on it to the last digit.
func (l *Lab) Batch(limit int) sweep.Batch[Config] {
	if limit < 2 || !backend.OnDevice(l.backend) {
		return sweep.Batch[Config]{}
	}
	return sweep.Batch[Config]{Key: l.key, Max: limit, Run: l.together}
}

// kind is trials whose networks can be trained together: first is one of them.
type kind struct {
	name  string
	first parts
}

// key names the kind of a trial: it shares the data, and what train.Compatible compares.
func (l *Lab) key(c Config) string {
	p, err := c.parts()
	if err != nil || !p.joinable() {
		return "by itself: " + hashOf(c.text())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name, number := p.kind(), 1
	for _, k := range l.kinds {
		if k.first.Law == c.Law && k.first.Data == c.Data && train.Compatible(k.first.training, p.training) == nil {
			return k.name
		}
		if strings.HasPrefix(k.name, name) {
			number++
		}
	}
	if number > 1 { // they differ in something that the name leaves out: the numbers of a process, where these cannot vary
		name += fmt.Sprintf(" (%d)", number)
	}
	l.kinds = append(l.kinds, kind{name, p})
	return name
}

// kind says for people what trials of a kind have in common.
func (p parts) kind() string {
	return fmt.Sprintf("%s on %s, %s, %s, %d steps of %d, lambda %s, times %s",
		p.training.Net, p.Law, p.Process, p.Parametrisation, p.Steps, p.Config.Batch, p.Weighting, p.Times)
}

func (l *Lab) together(ctx context.Context, trials []*sweep.Trial[Config]) ([]map[string]float64, []error) {
	metrics, errs := make([]map[string]float64, len(trials)), make([]error, len(trials))
	all := make([]parts, len(trials))
	for k, t := range trials {
		var err error
		if all[k], err = t.Config.parts(); err != nil {
			for i := range errs {
				errs[i] = errors.Join(errors.New("ablation: batch"), err)
			}
			return metrics, errs
		}
	}
	fits, errs := l.networks(ctx, all)
	for k, p := range all {
		if errs[k] == nil {
			metrics[k], errs[k] = l.measure(ctx, p, fits[k])
		}
	}
	return metrics, errs
}
