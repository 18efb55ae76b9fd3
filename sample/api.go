package sample

// Expr is a compiled sample expression: a fetch and its converters.
type Expr struct {
	text  string
	steps []func(*Context, Value) Value
	kind  Kind
}

// ParseExpr compiles "fetch(args),converter(args),…" for use at the given place.
func ParseExpr(text string, at Place) (*Expr, error) { panic("being written") }

// Eval gives the expression's value; Kind None where it has none.
func (e *Expr) Eval(c *Context) Value { panic("being written") }

// String gives the expression as written.
func (e *Expr) String() string { return e.text }

// Files reads the files of -f patterns, by their names as written.
type Files func(name string) ([]byte, error)

// ACLs are the named ACLs of one proxy (acl NAME …), with the predefined ones.
type ACLs struct{}

// NewACLs returns the predefined ones (TRUE, FALSE, LOCALHOST, METH_GET, HTTP_1.1, …).
func NewACLs(files Files) *ACLs { panic("being written") }

// Declare adds `acl NAME CRITERION [flags] [operator] values…`; args are the words after
// "acl". A name declared twice is the OR of both. Warnings are problems that do not prevent use.
func (a *ACLs) Declare(args []string) (warnings []string, err error) { panic("being written") }

// Condition is a compiled `if …` or `unless …`.
type Condition struct{ text string }

// ParseCondition compiles the words beginning with "if" or "unless"; no words give nil, which is always true.
// Names must have been declared; anonymous { … } ACLs, !, or and || are understood. Expressions that have no
// value at the place are an error or, as in the reference, a warning.
func (a *ACLs) ParseCondition(args []string, at Place) (c *Condition, warnings []string, err error) {
	panic("being written")
}

// Match judges; a nil Condition is true.
func (c *Condition) Match(ctx *Context) bool { panic("being written") }

// Verdict is Match for tcp-request content rules: decided is false while more bytes could change the result.
func (c *Condition) Verdict(ctx *Context) (match, decided bool) { panic("being written") }

// Needs are the places the condition needs to be evaluated at.
func (c *Condition) Needs() Place { panic("being written") }

// String gives the condition as written.
func (c *Condition) String() string { return c.text }

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
