package table

import "strconv"

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case SCTP:
		return "SCTP"
	}
	return strconv.Itoa(int(p))
}

// String is what ipvsadm prints under Forward.
func (m Method) String() string {
	switch m {
	case NAT:
		return "Masq"
	case Local:
		return "Local"
	case Tunnel:
		return "Tunnel"
	case Direct:
		return "Route"
	}
	return strconv.Itoa(int(m))
}

// String is the protocol and address, or the mark, as ipvsadm writes them: TCP 192.0.2.1:80, FWM 3, FWM 3 IPv6.
func (k Key) String() string {
	if k.Mark != 0 {
		s := "FWM " + strconv.FormatUint(uint64(k.Mark), 10)
		if k.IPv6 {
			s += " IPv6"
		}
		return s
	}
	return k.Protocol.String() + " " + k.Addr.String()
}

// String is the word of `ipvsadm --start-daemon`.
func (r Role) String() string {
	switch r {
	case Master:
		return "master"
	case Backup:
		return "backup"
	}
	return strconv.Itoa(int(r))
}
