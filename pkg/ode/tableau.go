package ode

// Method is an explicit Runge-Kutta method, given by its Butcher tableau:
//
//	k_i = f(x + h sum_j A_ij k_j, t + C_i h),   x' = x + h sum_i B_i k_i.
type Method struct {
	Name  string
	Order int // the global error falls as h^Order
	a     [][]float64
	b, c  []float64
	e     []float64 // B less the weights of an embedded method of lower order; nil if there is none
}

// String returns the name.
func (m Method) String() string { return m.Name }

// stages is the number of evaluations per step.
func (m Method) stages() int { return len(m.b) }

// The methods with fixed steps, and DormandPrince (Dormand and Prince 1980, J. Comput. Appl. Math. 6, 19-26), whose
// embedded error estimate serves adaptive steps and whose last stage is the first of the next step.
var (
	Euler = Method{Name: "Euler", Order: 1, a: [][]float64{{}}, b: []float64{1}, c: []float64{0}}
	Heun  = Method{Name: "Heun", Order: 2, a: [][]float64{{}, {1}}, b: []float64{1. / 2, 1. / 2}, c: []float64{0, 1}}
	RK4   = Method{
		Name: "RK4", Order: 4,
		a: [][]float64{{}, {1. / 2}, {0, 1. / 2}, {0, 0, 1}},
		b: []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
		c: []float64{0, 1. / 2, 1. / 2, 1},
	}
	DormandPrince = Method{
		Name: "Dormand-Prince 4(5)", Order: 5,
		a: [][]float64{
			{},
			{1. / 5},
			{3. / 40, 9. / 40},
			{44. / 45, -56. / 15, 32. / 9},
			{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
			{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
			{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
		},
		b: []float64{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
		c: []float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
		e: []float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40},
	}
)

// interpolant are the weights of the fifth coefficient of the dense output of DormandPrince, of order 4 between the ends
// of a step (Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, section II.6).
var interpolant = []float64{
	-12715105075. / 11282082432, 0, 87487479700. / 32700410799, -10690763975. / 1880347072,
	701980252875. / 199316789632, -1453857185. / 822651844, 69997945. / 29380423,
}

// Methods lists all of them.
func Methods() []Method { return []Method{Euler, Heun, RK4, DormandPrince} }
