package measure

// Millis gives ns in milliseconds, to a tenth.
func Millis(ns int64) float64 { return float64((ns+50_000)/100_000) / 10 }
