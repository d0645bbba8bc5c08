package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/internal/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Trainer trains ensembles and keeps their executables: another set of members of the same structure, number and data
// shape compiles nothing. It is not safe for concurrent use.
type Trainer struct {
	backend compute.Backend
	loops   map[string]*loop.Loop
}

// NewTrainer returns a trainer on a backend; nil stands for backend.Open(), which is called when the first training starts.
func NewTrainer(b compute.Backend) *Trainer {
	return &Trainer{backend: b, loops: map[string]*loop.Loop{}}
}

// Builds counts the executables built so far.
func (t *Trainer) Builds() int {
	n := 0
	for _, l := range t.loops {
		n += l.Builds()
	}
	return n
}

// open makes sure of a backend.
func (t *Trainer) open() (err error) {
	if t.backend == nil {
		t.backend, err = backend.Open()
	}
	return err
}

// together is the largest number of members that train side by side on a CPU. More would push the weights and moments of a
// 3x128 network out of the caches, and a step per member gets slower; they take turns on the same executable instead.
const together = 8

// turns divides K members into groups of one size, of at most together. The last group is filled up with the first
// member, whose second copy is not looked at.
func turns(k int) [][]int {
	n := (k + together - 1) / together
	size := (k + n - 1) / n
	groups := make([][]int, n)
	for i := range n * size {
		m := i
		if m >= k {
			m = 0
		}
		groups[i/size] = append(groups[i/size], m)
	}
	return groups
}

// loop returns the loop for members of that structure, size at a time.
func (t *Trainer) loop(c Config, size int, std float64, layers []layer, data mat.Matrix) *loop.Loop {
	n, d := data.Dims()
	key := fmt.Sprintf("%d members, data %d x %d of %g, %d rates: %v", size, n, d, std, rateRows(c.Steps), c.structure())
	if l := t.loops[key]; l != nil {
		return l
	}
	dsm := c.Objective.(objective.DSM)
	_, _, known := sde.Numbers(dsm.SDE)
	s := &batchStep{
		members: size, recipe: c.Recipe, objective: dsm, numbered: known && numbersVary(dsm.Times()),
		parametrisation: c.Parametrisation, std: std, net: c.Net.(eachNet), layers: layers,
	}
	l := loop.New(t.backend, nil, kinds*len(layers)+2, s.step)
	t.loops[key] = l
	return l
}

// rateRows is the length of the table of learning rates for so many steps: tables of equal length share an executable.
func rateRows(steps int) int {
	rows := 1024
	for rows < steps {
		rows *= 2
	}
	return rows
}

// inputs are what tells the members apart, and the data.
func (t *Trainer) inputs(cfgs []Config, data *tensors.Tensor) []*tensors.Tensor {
	k, rows := len(cfgs), rateRows(cfgs[0].Steps)
	rates, fresh, clip, keys := make([]float32, rows*k), make([]float32, k), make([]float32, k), make([]uint32, 0, 2*k)
	var numbers []float32
	for m, c := range cfgs {
		for i := range c.Steps {
			rates[i*k+m] = float32(c.Rate(i))
		}
		fresh[m] = float32(1 - c.EMA)
		clip[m] = float32(c.ClipNorm)
		if c.ClipNorm == 0 {
			clip[m] = float32(math.Inf(1))
		}
		key := noise.Key(c.Seed)
		keys = append(keys, key[:]...)
		_, values, _ := sde.Numbers(c.Objective.Process())
		if m == 0 {
			numbers = make([]float32, max(1, len(values))*k) // no input may be empty
		}
		for i, v := range values {
			numbers[i*k+m] = float32(v)
		}
	}
	return []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(rates, rows, k),
		tensors.FromValue(fresh),
		tensors.FromFlatDataAndDimensions(clip, k),
		tensors.FromFlatDataAndDimensions(keys, k, 2),
		tensors.FromFlatDataAndDimensions(numbers, len(numbers)/k, k),
		data,
	}
}

// layersOf asks a network for its weights for data in d dimensions, in a graph that is thrown away, and refuses one that
// returns another number of coordinates.
func (t *Trainer) layersOf(net eachNet, d int) ([]layer, error) {
	var layers []layer
	var got shapes.Shape
	exec, err := model.NewExec(t.backend, model.NewStore(), func(_ *model.Scope, x, level *Node) []*Node {
		defer backend.PanicWithError()
		layers = nil
		got = net.ApplyEach(1, func(path string, dims ...int) *Node {
			layers = append(layers, layer{path, dims})
			return Zeros(x.Graph(), shapes.Make(x.DType(), append([]int{1}, dims...)...))
		}, x, level).Shape()
		panic(errTried) // nothing of this graph is to be compiled
	})
	if err != nil {
		return nil, fmt.Errorf("train: Net: %w", err)
	}
	defer exec.Finalize()
	x := shapes.Make(dtypes.Float32, 1, d)
	if _, err := exec.Compile(x, shapes.Make(dtypes.Float32, 1)); !got.Ok() {
		return nil, fmt.Errorf("train: Net: %w", err)
	}
	if !got.Equal(x) {
		return nil, fmt.Errorf("train: Net %s turns a batch %s into %s, want %s: set its output to %d", net, x, got, x, d)
	}
	if len(layers) == 0 {
		return nil, errors.New("train: Net has no weights")
	}
	return layers, nil
}

// upload is the data as the loop wants it.
func upload(data mat.Matrix) *tensors.Tensor { return host.Tensor(data, dtypes.Float32) }
