package train

import (
	"fmt"
	"time"
)

// RunLog is how a training went.
type RunLog struct {
	Dir     string        // of the run
	Steps   int           // steps taken
	Losses  []LossPoint   // mean losses along the way, at up to 200 steps that depend on Steps only
	Elapsed time.Duration // of the steps and their compilation, over all the calls that took part
	Compile time.Duration // of the compilation in the last call, a part of Elapsed
	Loaded  bool          // the run had been finished before
}

// note logs the points that are complete now, and tells them to whoever follows.
func (t *training) note(set Settings, sums []float32) error {
	log := t.log
	before := len(log.Losses)
	log.Losses, t.partial = t.losses(log.Losses, sums, log.Steps)
	for _, p := range log.Losses[before:] {
		m := p.metrics()
		if err := t.trial.Log(m.Step, m.Values); err != nil {
			return err
		}
		if set.OnLoss != nil {
			set.OnLoss(p.Step, p.Loss)
		}
	}
	return nil
}

func (t *training) report(set Settings, loss float64) {
	if set.Progress != nil {
		set.Progress(t.log.Steps, t.Steps, fmt.Sprintf("loss %.4f", loss))
	}
}
