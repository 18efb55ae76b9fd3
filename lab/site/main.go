package site

import (
	"fmt"
	"os"
)

// EntryPoint is the hidden first argument with which the lab starts its own executable again.
// The command's main must hand everything behind it to Main before it looks at anything else.
const EntryPoint = "lab-host"

// Main runs one of the lab's inner processes and returns its exit status: switch and host are
// the hosts' first processes, web is a node's web server, systemctl, ps and curl stand in for
// those programs inside a node.
func Main(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "evenkeel: "+EntryPoint+" is started by `evenkeel lab`, not by hand")
		return 2
	}
	var err error
	switch args[0] {
	case "switch":
		err = runSwitch()
	case "host":
		err = runHost()
	case "web":
		err = runWeb(args[1:])
	case "systemctl":
		return standInSystemctl(args[1:])
	case "ps":
		return standInPs(args[1:])
	case "curl":
		return standInCurl(args[1:])
	default:
		err = fmt.Errorf("unknown inner process %q", args[0])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "evenkeel lab: %s: %v\n", args[0], err)
		return 1
	}
	return 0
}

// ExecutableEnv carries the path of the executable into the hosts, where /proc/self/exe would
// name a file of a mount namespace that cannot be bound from.
const ExecutableEnv = "EVENKEEL_LAB_EXECUTABLE"

func Executable() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}
