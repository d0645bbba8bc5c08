package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// eachNet is a network that can be built for many members at once: nets.MLP.
type eachNet interface {
	score.Net
	ApplyEach(members int, weight func(path string, dims ...int) *Node, x, noise *Node) *Node
}

// Compatible says whether a and b can be members of one ensemble: nil, or an error that names the first difference. Members
// share what makes up the graph: steps, batch, network, parametrisation, weighting, law of times, and the kind of process.
// They may differ in seed, learning rate, warm-up, clipping, EMA, and the numbers of the process where sde.Numbers knows
// them and times are Uniform or Stratified.
func Compatible(a, b Config) error {
	for _, c := range []Config{a, b} {
		if err := c.canJoin(); err != nil {
			return err
		}
	}
	return a.structure().differs(b.structure())
}

// canJoin refuses what no ensemble trains.
func (c Config) canJoin() error {
	dsm, ok := c.Objective.(objective.DSM)
	switch {
	case !ok:
		return unusable("Objective", c.Objective, "objective.DSM in an ensemble")
	case c.Drop != 0:
		return unusable("Drop", c.Drop, "0 in an ensemble, which has no conditions")
	}
	if _, ok := dsm.Times().(objective.Spreader); !ok {
		return unusable("Objective.Time", dsm.Times(), "times that an ensemble can draw (objective.Spreader)")
	}
	if _, ok := c.Net.(eachNet); !ok {
		return unusable("Net", c.Net, "a network with ApplyEach in an ensemble, as nets.MLP")
	}
	return nil
}

// structure is what the members of an ensemble have in common, in an order that puts the coarse things first.
type structure []struct{ field, value string }

func (c Config) structure() structure {
	dsm := c.Objective.(objective.DSM)
	form, numbers, ok := sde.Numbers(dsm.SDE)
	if !ok || !numbersVary(dsm.Times()) {
		form, numbers = fmt.Sprintf("%T %s %+v", dsm.SDE, dsm.SDE, dsm.SDE), nil
	}
	return structure{
		{"Steps", fmt.Sprint(c.Steps)},
		{"Batch", fmt.Sprint(c.Batch)},
		{"Net", described(c.Net)},
		{"Parametrisation", c.Parametrisation.String()},
		{"Objective.Weighting", dsm.Weighting.String()},
		{"Objective.Time", described(dsm.Times())},
		{"Objective.SDE", fmt.Sprintf("%s with %d free numbers", form, len(numbers))},
	}
}

// numbersVary says whether the law of times works for processes with different numbers.
func numbersVary(times objective.TimeSampler) bool {
	switch times.(type) {
	case objective.Uniform, objective.Stratified:
		return true
	}
	return false
}

// described is the type, name and exported fields of a part of the configuration.
func described(part any) string {
	fields, _ := json.Marshal(part) // where it cannot be, the name must do
	return fmt.Sprintf("%s %s %s", reflect.TypeOf(part), part, fields)
}

// String lists the fields.
func (s structure) String() string {
	var all []string
	for _, part := range s {
		all = append(all, part.field+" "+part.value)
	}
	return strings.Join(all, "; ")
}

func (s structure) differs(other structure) error {
	for k := range s {
		if s[k] != other[k] {
			return fmt.Errorf("%s is %s and %s, want one", s[k].field, s[k].value, other[k].value)
		}
	}
	return nil
}

// compatible checks all members, against the first.
func compatible(cfgs []Config) error {
	if len(cfgs) == 0 {
		return errors.New("train: no configurations, want at least one")
	}
	for k, c := range cfgs {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("train: member %d: %w", k, err)
		}
		if err := c.canJoin(); err != nil {
			return fmt.Errorf("train: member %d: %w", k, err)
		}
		if err := cfgs[0].structure().differs(c.structure()); err != nil {
			return fmt.Errorf("train: members 0 and %d cannot share an ensemble: %w", k, err)
		}
	}
	return nil
}
