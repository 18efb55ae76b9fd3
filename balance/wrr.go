package balance

// longestRound limits a [Round]; beyond it weights are scaled down, each to at least 1.
const longestRound = 1 << 16

// Round is one round of weighted round robin as LVS interleaves it: the heavier comes more often,
// and not all its turns come in a row. It holds indices into weights; those of weight 0
// never come. The share of each in the round is exactly its weight, unless the
// weights' sum, divided by what they have in common, is above 65536. At most 65535 servers;
// nil if none has a weight.
func Round(weights []int) []uint16 {
	w, step, heaviest, turns := lowest(weights)
	if heaviest == 0 {
		return nil
	}
	round := make([]uint16, 0, turns)
	// A threshold falls from the heaviest weight to nothing; who reaches it has a turn.
	for threshold := heaviest; threshold > 0; threshold -= step {
		for i := range w {
			if w[i] >= threshold {
				round = append(round, uint16(i))
			}
		}
	}
	return round
}

func lowest(weights []int) (w []int, step, heaviest, turns int) {
	w = make([]int, len(weights))
	sum := 0
	for i, x := range weights {
		w[i] = max(x, 0)
		step = common(step, w[i])
		sum += w[i]
	}
	if step > 0 && sum/step > longestRound {
		scale(w, sum)
		step = 1
	}
	for _, x := range w {
		heaviest = max(heaviest, x)
		turns += x
	}
	return w, step, heaviest, turns / max(step, 1)
}

func scale(w []int, sum int) {
	for i := range w {
		if w[i] > 0 {
			w[i] = max(1, w[i]*longestRound/sum)
		}
	}
}

// common is the greatest common common.
func common(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
