package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// stack is the state of all members on the host: of every kind and layer the numbers of one member after the other.
type stack struct {
	layers  []layer
	members int
	values  [kinds][][]float32 // by layer
}

// kindNames are the scopes of the kinds in a checkpoint.
var kindNames = [kinds]string{"weights", "average", "first_moment", "second_moment"}

func newStack(layers []layer, members int) *stack {
	s := &stack{layers: layers, members: members}
	for kind := range s.values {
		for _, l := range layers {
			s.values[kind] = append(s.values[kind], make([]float32, members*l.size()))
		}
	}
	return s
}

// weightStream is that of a seed's generator on the host that draws the initial weights.
const weightStream = 2

// initialise draws the initial weights of every member from its seed alone, by the law of GoMLX's default: matrices
// N(0, 2/fan-in) (He et al. 2015, arXiv 1502.01852), biases 0.
func (s *stack) initialise(cfgs []Config) {
	for m, c := range cfgs {
		rng := rand.New(rand.NewPCG(uint64(c.Seed), weightStream))
		for k, l := range s.layers {
			if len(l.dims) < 2 {
				continue
			}
			std := math.Sqrt(2 / float64(l.dims[len(l.dims)-2]))
			w := s.member(kindWeights, k, m)
			for i := range w {
				w[i] = float32(std * rng.NormFloat64())
			}
		}
	}
}

// member are the numbers of one member in a layer.
func (s *stack) member(kind, layer, m int) []float32 {
	n := s.layers[layer].size()
	return s.values[kind][layer][m*n : (m+1)*n]
}

// tensors are the state of the members given by their numbers, as the loop wants it; of kinds and layers.
func (s *stack) tensors(members []int) []*tensors.Tensor {
	var all []*tensors.Tensor
	for kind := range s.values {
		for k, l := range s.layers {
			flat := make([]float32, 0, len(members)*l.size())
			for _, m := range members {
				flat = append(flat, s.member(kind, k, m)...)
			}
			all = append(all, tensors.FromFlatDataAndDimensions(flat, append([]int{len(members)}, l.dims...)...))
		}
	}
	return all
}

// take reads back the state of members; where one is there twice, its first place counts.
func (s *stack) take(members []int, state []*tensors.Tensor) error {
	for kind := range s.values {
		for k, l := range s.layers {
			flat, err := tensors.CopyFlatData[float32](state[kind*len(s.layers)+k])
			if err != nil {
				return fmt.Errorf("train: %s of %s: %w", kindNames[kind], l.path, err)
			}
			for place, m := range members {
				if slices.Index(members, m) == place {
					copy(s.member(kind, k, m), flat[place*l.size():])
				}
			}
		}
	}
	return nil
}

// store holds the stack as variables, [members, ...] each, for a checkpoint. A finished one needs no moments any more.
func (s *stack) store(finished bool) (*model.Store, error) {
	store := model.NewStore()
	for kind, name := range kindsOf(finished) {
		for k, l := range s.layers {
			value := tensors.FromFlatDataAndDimensions(s.values[kind][k], append([]int{s.members}, l.dims...)...)
			v, err := store.CreateVariable("/"+name+"/"+l.path, value)
			if err != nil {
				return nil, err
			}
			v.SetTrainable(false)
		}
	}
	return store, nil
}

// kindsOf are the names of the kinds that a checkpoint holds.
func kindsOf(finished bool) []string {
	if finished {
		return kindNames[:kindFirst]
	}
	return kindNames[:]
}

// stackFrom reads what store made of so many members.
func stackFrom(store *model.Store, members int, finished bool) (*stack, error) {
	var layers []layer
	for v := range store.IterVariables() {
		if path, ok := strings.CutPrefix(v.Path(), "/"+kindNames[kindWeights]+"/"); ok {
			layers = append(layers, layer{path, slices.Clone(v.Shape().Dimensions[1:])})
		}
	}
	s := newStack(layers, members)
	for kind, name := range kindsOf(finished) {
		for k, l := range layers {
			path := "/" + name + "/" + l.path
			v := store.GetVariable(path)
			if v == nil || v.Shape().Size() != members*l.size() {
				return nil, fmt.Errorf("train: the checkpoint lacks %s of %d members", path, members)
			}
			s.values[kind][k] = tensors.MustCopyFlatData[float32](v.MustValue())
		}
	}
	return s, nil
}
