package keepalived

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config/words"
)

// place is where a word may stand: the name of the block around it.
type place = words.Place

// Places. Blocks that hold entries instead of words (virtual_ipaddress) are no places.
const (
	topLevel     place = "the top level"
	inGlobal     place = "global_defs"
	inInstance   place = "vrrp_instance"
	inAuth       place = "authentication"
	inGroup      place = "vrrp_sync_group"
	inScript     place = "vrrp_script"
	inTrackFile  place = "track_file"
	inProcess    place = "vrrp_track_process"
	inAuthHMAC   place = "auth_hmac"
	inGARPGroup  place = "garp_group"
	inTrackGroup place = "track_group"
	inBFD        place = "bfd_instance"
	inVirtual    place = "virtual_server"
	inReal       place = "real_server"
	inSSL        place = "SSL"
	inTCPCheck   place = "TCP_CHECK"
	inHTTPGet    place = "HTTP_GET"
	inSSLGet     place = "SSL_GET"
	inURL        place = "url"
	inMiscCheck  place = "MISC_CHECK"
	inSMTPCheck  place = "SMTP_CHECK"
	inSMTPHost   place = "host"
	inDNSCheck   place = "DNS_CHECK"
	inUDPCheck   place = "UDP_CHECK"
	inPingCheck  place = "PING_CHECK"
	inFileCheck  place = "FILE_CHECK"
	inBFDCheck   place = "BFD_CHECK"
)

// What we do with a word. A harmless one is accepted with a warning, and why in its row says why that is safe; a
// refused flag that is switched off passes.
const (
	done     = words.Done
	harmless = words.Harmless
	refused  = words.Refused
)

// keyword is a row of the table: everything there is to know about one word.
type keyword struct {
	word string
	args []arg
	// block is the place its block opens; entries marks a block of free entries.
	block   place
	entries bool
	state   words.State
	// def is the default as written in the manual, for people.
	def  string
	help string // one line, what it does
	why  string // for harmless and refused words
	// multi: it may be given more than once.
	multi bool
	// absent says why Keepalived 2.2.7 does not know it; own: no Keepalived does.
	absent string
	own    bool
	// instead is today's word for one that Keepalived calls deprecated.
	instead string

	// set applies the word to the model; for a block, before what is inside.
	set func(*builder, *statement, []value)
	// entry applies one line of a block of entries.
	entry func(*builder, *statement)
	// end runs after the block.
	end func(*builder, *statement)
}

// Why Keepalived 2.2.7 does not know a word.
const (
	newer    = "is newer than keepalived 2.2.7"
	gone     = "is gone from keepalived since 2.0 or earlier"
	notBuilt = "is not built into Debian's keepalived"
)

// argKind is the type of one argument.
type argKind uint8

const (
	anyWord argKind = iota
	anInt
	aDuration // decimal seconds
	aFlag
	aSwitch
	anAddr
	aChoice
	theRest // one or more words, not looked into
)

// arg describes one argument of a keyword.
type arg struct {
	kind     argKind
	name     string // in the manual, capitals
	min, max float64
	whole    bool // of a duration: Keepalived 2.2.7 takes no fractions
	choices  []string
	optional bool
	// anyCase: a choice may be written in small letters.
	anyCase bool
	// loose: a value out of range is brought into it, with a warning, as Keepalived does.
	loose bool
}

// value is an argument read by its arg. The fields of other kinds are zero.
type value struct {
	tok   token
	given bool
	n     int
	d     time.Duration
	on    bool
	addr  netip.Addr
}

func integer(lo, hi float64) arg { return arg{kind: anInt, name: "NUMBER", min: lo, max: hi} }

func seconds(lo, hi float64) arg { return arg{kind: aDuration, name: "SECONDS", min: lo, max: hi} }

// wholeSeconds are seconds of which the reference takes no fractions.
func wholeSeconds(lo, hi float64) arg {
	return arg{kind: aDuration, name: "SECONDS", min: lo, max: hi, whole: true}
}

func word(name string) arg { return arg{kind: anyWord, name: name} }

func choice(words ...string) arg { return arg{kind: aChoice, choices: words} }

func address() arg { return arg{kind: anAddr, name: "ADDRESS"} }

// onOff is the optional on/off of a switch.
func onOff() arg { return arg{kind: aFlag, name: "on|off", optional: true} }

// alone is the value of a switch that is on by being there. Keepalived 2.2.7 does
// not read one.
func alone() arg { return arg{kind: aSwitch, name: "on|off", optional: true} }

func rest(name string) arg { return arg{kind: theRest, name: name} }

// restOrNone takes any number of words, also none.
func restOrNone() arg { return arg{kind: theRest, name: "…", optional: true} }

func (a arg) opt() arg { a.optional = true; return a }

func (a arg) inAnyCase() arg { a.anyCase = true; return a }

func (a arg) clamped() arg { a.loose = true; return a }
