package ipvs

// The kernel's numbers (linux/ip_vs.h).

const (
	familyName    = "IPVS"
	familyVersion = 1
)

// Commands.
const (
	cmdNewService = iota + 1
	cmdSetService
	cmdDelService
	cmdGetService
	cmdNewDest
	cmdSetDest
	cmdDelDest
	cmdGetDest
	cmdNewDaemon
	cmdDelDaemon
	cmdGetDaemon
	cmdSetConfig
	cmdGetConfig
	cmdSetInfo // only ever an answer
	cmdGetInfo
	cmdZero
	cmdFlush
)

// Attributes of commands.
const (
	attrService = iota + 1
	attrDest
	attrDaemon
	attrTimeoutTCP
	attrTimeoutTCPFin
	attrTimeoutUDP
)

// Attributes of a service, inside attrService.
const (
	svcFamily = iota + 1
	svcProtocol
	svcAddr
	svcPort
	svcMark
	svcScheduler
	svcFlags
	svcTimeout
	svcNetmask
	svcStats
	svcEngine
	svcStats64 // Linux 4.1
)

// Attributes of a destination, inside attrDest.
const (
	destAddr = iota + 1
	destPort
	destMethod
	destWeight
	destUpper
	destLower
	destActive
	destInactive
	destPersistent
	destStats
	destFamily  // Linux 3.18
	destStats64 // Linux 4.1
	destTunType // Linux 5.2
	destTunPort
	destTunFlags // Linux 5.3
)

// Attributes of a sync daemon, inside attrDaemon. From daemonMaxLen on: Linux 4.3.
const (
	daemonState = iota + 1
	daemonInterface
	daemonID
	daemonMaxLen
	daemonGroup
	daemonGroup6
	daemonPort
	daemonTTL
)

// Attributes of counters.
const (
	statConns = iota + 1
	statInPackets
	statOutPackets
	statInBytes
	statOutBytes
	statConnRate
	statInPacketRate
	statOutPacketRate
	statInByteRate
	statOutByteRate
)

// Attributes of the answer to cmdGetInfo.
const (
	infoVersion = iota + 1
	infoSize
)

// maxName is how long the name of a scheduler or persistence engine may be.
const maxName = 15

// forwardMask is what of a destination's flags is its method.
const forwardMask = 7
