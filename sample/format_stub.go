package sample

// Format is a compiled log-format string.
type Format struct{ text string }

// ParseFormat compiles a log-format string: %aliases, %[expressions], %{flags}. With http false, HTTP-only aliases
// are an error, as in a tcp proxy.
func ParseFormat(text string, at Place, http bool) (*Format, error) { panic("being written") }

// Append writes the format's value for c to dst.
func (f *Format) Append(dst []byte, c *Context) []byte { panic("being written") }

// Constant gives the text of a format that depends on nothing.
func (f *Format) Constant() (string, bool) { panic("being written") }

// String gives the format as written.
func (f *Format) String() string { return f.text }

// Formats of the reference's options (notes: log formats).
const (
	TCPLog     = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
	HTTPLog    = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
	DefaultLog = "Connect from %ci:%cp to %fi:%fp (%f/%{}mode)" // written by the engine; see Record
)
