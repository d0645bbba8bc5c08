package dist

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/metric"
)

// TestCheckerboardIsAMixtureOfBoxes sums the densities and scores of the dark boxes one by one.
func TestCheckerboardIsAMixtureOfBoxes(t *testing.T) {
	for _, cells := range []int{3, 4} {
		law := must(NewCheckerboard(cells, 2))
		edge := 4 / float64(cells)
		for _, k := range [][2]float64{{1, 0.05}, {0.7, 0.4}, {0.1, 1}} {
			x := law.Noised(k[0], k[1]).Sample(rand.New(rand.NewPCG(2, 3)), 40)
			mass, score := make([]float64, 40), make([]float64, 80)
			boxes := 0.0
			for i := range cells {
				for j := range cells {
					if (i+j)%2 == 1 {
						continue
					}
					boxes++
					lo := []float64{-2 + edge*float64(i), -2 + edge*float64(j)}
					box := must(NewUniform(lo, []float64{lo[0] + edge, lo[1] + edge}, 0))
					s := must(ScoreAt(box, x, k[0], k[1]))
					for n, l := range must(LogProbAt(box, x, k[0], k[1])) {
						mass[n] += math.Exp(l)
						score[2*n] += math.Exp(l) * s.At(n, 0)
						score[2*n+1] += math.Exp(l) * s.At(n, 1)
					}
				}
			}
			logs := make([]float64, 40)
			for n := range logs {
				logs[n] = math.Log(mass[n] / boxes)
				score[2*n] /= mass[n]
				score[2*n+1] /= mass[n]
			}
			wantClose(t, law.String()+": LogProb", must(LogProbAt(law, x, k[0], k[1])), logs, 1e-11)
			wantClose(t, law.String()+": Score", flat(must(ScoreAt(law, x, k[0], k[1]))), score, 1e-11)
		}
		on := law.Sample(rand.New(rand.NewPCG(1, 1)), 200)
		for i, l := range must(LogProbAt(law, on, 1, 0)) {
			if want := -math.Log(float64((cells*cells+1)/2) * edge * edge); math.Abs(l-want) > 1e-12 {
				t.Errorf("%s: log density %g at sample %d, want %g", law, l, i, want)
			}
		}
	}
	for _, bad := range [][2]float64{{1, 1}, {4, 0}, {4, math.Inf(1)}} {
		if _, err := NewCheckerboard(int(bad[0]), bad[1]); err == nil {
			t.Errorf("a board of %g cells and half edge %g was accepted", bad[0], bad[1])
		}
	}
}

// TestToysLieOnTheirCurves solves each curve's equation for its parameter, whose law is known.
func TestToysLieOnTheirCurves(t *testing.T) {
	const n = 4000
	rng := rand.New(rand.NewPCG(8, 9))
	roll, along, err := SwissRoll(rng, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	moons, moon, err := Moons(rng, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	spirals, arm, err := Spirals(rng, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	var places, arcs, areas []float64
	for i := range n {
		radius := math.Hypot(roll.At(i, 0), roll.At(i, 1)) * 7.5
		places = append(places, (radius/math.Pi-1.5)/3)
		if math.Abs(places[i]-along[i]) > 1e-12 || math.Abs(roll.At(i, 0)*7.5-radius*math.Cos(radius)) > 1e-11 {
			t.Fatalf("swiss roll: point %v at %g", roll.RawRowView(i), along[i])
		}
		x, y := moons.At(i, 0), moons.At(i, 1)
		if moon[i] == 1 {
			x, y = 1-x, 0.5-y
		}
		arcs = append(arcs, math.Atan2(y, x)/math.Pi)
		if math.Abs(math.Hypot(x, y)-1) > 1e-12 || y < -1e-12 {
			t.Fatalf("moons: point %v of moon %d", moons.RawRowView(i), moon[i])
		}
		side := float64(1 - 2*arm[i])
		radius = 3 * math.Hypot(spirals.At(i, 0), spirals.At(i, 1))
		areas = append(areas, radius*radius/(9*math.Pi*math.Pi))
		if math.Abs(3*side*spirals.At(i, 0)+radius*math.Cos(radius)) > 1e-11 {
			t.Fatalf("spirals: point %v of arm %d", spirals.RawRowView(i), arm[i])
		}
	}
	for name, u := range map[string][]float64{"swiss roll": places, "moons": arcs, "spirals": areas} {
		if stat, p, err := metric.KS(u, func(v float64) float64 { return min(max(v, 0), 1) }); err != nil || p < 1e-3 {
			t.Errorf("%s: KS %g, p = %g, %v", name, stat, p, err)
		}
	}
	for name, labels := range map[string][]int{"moons": moon, "spirals": arm} {
		checkAverage(t, name, n, 0.5, func(i int) float64 { return float64(labels[i]) })
	}
}

// TestToysNoise: with the same seed, noise moves the points by noise times standard normals.
func TestToysNoise(t *testing.T) {
	const n = 4000
	for name, draw := range map[string]func(rng *rand.Rand, noise float64) *mat.Dense{
		"swiss roll": func(rng *rand.Rand, noise float64) *mat.Dense { x, _, _ := SwissRoll(rng, n, noise); return x },
		"moons":      func(rng *rand.Rand, noise float64) *mat.Dense { x, _, _ := Moons(rng, n, noise); return x },
		"spirals":    func(rng *rand.Rand, noise float64) *mat.Dense { x, _, _ := Spirals(rng, n, noise); return x },
	} {
		var gap mat.Dense
		gap.Sub(draw(rand.New(rand.NewPCG(1, 2)), 0.1), draw(rand.New(rand.NewPCG(1, 2)), 0))
		if stat, p, err := metric.KS(flat(&gap), func(v float64) float64 { return bigPhi(v / 0.1) }); err != nil || p < 1e-3 {
			t.Errorf("%s: KS of the noise %g, p = %g, %v", name, stat, p, err)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	_, _, none := Moons(rng, 0, 0.1)
	_, _, negative := Spirals(rng, 5, -0.1)
	_, _, nan := SwissRoll(rng, 5, math.NaN())
	_, _, noRNG := Moons(nil, 5, 0.1)
	for _, err := range []error{none, negative, nan, noRNG} {
		if err == nil {
			t.Error("bad input was accepted")
		}
	}
}
