package edm

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// iddpmFirst is j_0, the number of the first level at which Karras et al. sample with iDDPM networks: sigma = 80.
const iddpmFirst = 8

// IDDPMLevels returns the noise levels u_0 > ... > u_M = 0 of iDDPM (Nichol and Dhariwal 2021) as Karras et al. (2022,
// table 1) write them, with M = 1000, C1 = 0.001 and C2 = 0.008:
//
//	u_{j-1}^2 = (u_j^2 + 1)/max(abar_{j-1}/abar_j, C1) - 1,   abar_j = sin(pi/2 j/(M (C2 + 1)))^2.
func IDDPMLevels() []float64 {
	const m, c1, c2 = 1000, 0.001, 0.008
	abar := func(j int) float64 { return math.Pow(math.Sin(math.Pi/2*float64(j)/(m*(c2+1))), 2) }
	u := make([]float64, m+1)
	for j := m; j > 0; j-- {
		u[j-1] = math.Sqrt((u[j]*u[j]+1)/math.Max(abar(j-1)/abar(j), c1) - 1)
	}
	return u
}

// trainingLevels are u_0..u_999: u_M = 0 is no level.
func trainingLevels() []float64 {
	u := IDDPMLevels()
	return u[:len(u)-1]
}

// IDDPMSchedule takes equal steps, rounded, in the number of the level among those of IDDPMLevels that lie in the span of
// times, which are noise levels: that of iDDPM in the table, for sde.EDM. Where n exceeds the steps between those levels, 991
// on the process of Table1, times repeat and a run refuses them.
func IDDPMSchedule(n int, span sde.Span) []float64 {
	var levels []float64
	for _, u := range IDDPMLevels() {
		if u >= span.Eps && u <= span.T && u > 0 {
			levels = append(levels, u)
		}
	}
	if len(levels) == 0 {
		return nil
	}
	ts := make([]float64, n+1)
	for i := range ts {
		ts[i] = levels[int(math.Floor(float64(len(levels)-1)/float64(n)*float64(i)+0.5))]
	}
	return ts
}

// IDDPMSteps is an objective.TimeSampler. It draws uniformly among the times at which Sigma/Alpha is one of the levels
// u_0..u_999 of IDDPMLevels, as iDDPM trains. All of them have to lie in the span, as they do in Table1.
type IDDPMSteps struct{}

// Draw implements TimeSampler with weights 1.
func (IDDPMSteps) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	levels := trainingLevels()
	at, err := sde.TimesAtNoise(s, levels)
	if err != nil {
		panic(err)
	}
	times := ConstAs(x0, at)
	j := rng.Below(len(levels), x0.Shape().Dim(0))
	t = Gather(times, InsertAxes(j, -1))
	return t, OnesLike(t)
}

// String returns "uniform over the levels of iDDPM".
func (IDDPMSteps) String() string { return "uniform over the levels of iDDPM" }
