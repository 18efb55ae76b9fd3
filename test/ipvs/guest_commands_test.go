//go:build ipvsguest

package ipvs

// commands are given to ipvsadm and to us, one after the other: right ones and wrong ones.
const commands = `
--start-daemon master --syncid 3 --mcast-interface eth0
--start-daemon master --syncid 3 --mcast-interface eth0
--start-daemon backup --syncid 3 --mcast-interface eth0 --sync-maxlen 1000 --mcast-group ff02::99 --mcast-port 9999 --mcast-ttl 5
-L --daemon
--stop-daemon master
--stop-daemon backup
--start-daemon master
--start-daemon backup --mcast-interface nosuch
--start-daemon master --mcast-interface eth0 --syncid 256
--start-daemon master --mcast-interface eth0 --syncid -1
--start-daemon master --mcast-interface eth0 --sync-maxlen 0
--start-daemon master --mcast-interface eth0 --sync-maxlen 65508
--start-daemon master --mcast-interface eth0 --mcast-port 0
--start-daemon master --mcast-interface eth0 --mcast-port 65536
--start-daemon master --mcast-interface eth0 --mcast-ttl 0
--start-daemon master --mcast-interface eth0 --mcast-ttl 256
--start-daemon master --mcast-interface eth0 --mcast-group 10.0.0.1
--start-daemon master --mcast-interface eth0 --mcast-group foo
--start-daemon master --mcast-interface eth0 --mcast-group ff0
--start-daemon master --mcast-interface eth0 --mcast-group a::b
--start-daemon master --mcast-interface averylonginterfacename
-L --daemon
--stop-daemon master
--start-daemon master --mcast-interface=eth0
--stop-daemon foo
--stop-daemon master -n
-A -t=10.9.0.1:81
-A -t10.9.0.1:82
-A --tcp-service=10.9.0.1:83
-A --tcp-serv 10.9.0.1:84
-At 10.9.0.1:85
-At10.9.0.1:86
-Atp 10.9.0.1:87
-A -t 10.9.0.1:88 -p300
-A -t 10.9.0.1:89 --persistent=77
-A -t 10.9.0.1:90 --persistent 78
-A -t 10.9.0.1:91 -p -s rr
-A -t 10.9.0.1:92 -- -s rr
-A -- -t 10.9.0.1:92
-t 10.9.0.1:92 -A
-A x -t 10.9.0.1:93
-A -t 10.9.0.1:94 -f 3
-A -t 10.9.0.1:94 -M
-A -t 10.9.0.1:95 -p 31536001
-A -t 10.9.0.1:95 -p 31536000
-A -t 10.9.0.1:96 -p 2147483
-A -t 10.9.0.1:97 -p 2147484
-A -t 10.9.0.1:97 -p 4294967
-A -t 10.9.0.1:98 -p 1x
-A -t 10.9.0.1:98 -p 0x10
-A -t 10.9.0.1:98 -p _10
-A -f 0x10
-A -f 4294967296
-A -f -1
-A -f 010
-A -f 3x
-A -t 10.9.0.1:65536
-A -t 10.9.0.1:-1
-A -t 10.9.0.1:
-A -t :80
-A -t 10.9.0.1:080
-A -t 10.9.0.1:0x50
-A -t 10.9.0:99
-A -t 10.9:98
-A -t 167837697:97
-A -t fd00::1
-A -t [fd00::1]:80
-A -t [fd00::1] -p
-A -t fd00::2 -p
-A -t [fd00::1:80
-A -t [fd00::1]x80
-A -t fd00::1:80
-A -t [fd00::1]:443 -M 64
-A -t [fd00::1]:444 -M 129
-A -t [fd00::1]:445 -M 0
-A -t [fd00::1]:446 -M 255.255.0.0
-A -t 10.9.0.1:446 -p 10 -M 0.0.0.0
-A -t 10.9.0.1:447 -p 10 -M foo
-A -f 5 -6 -p 10 -M 64
-A -f 6 -p 10 -M 64 -6
-A -M 64 -f 16 -6 -p 10
-A -M 64 -t [fd00::1]:450 -p 10
-A -t 10.9.0.1:451 -s averyveryveryverylongscheduler
-A -t 10.9.0.1:452 -s ''
-A -t 10.9.0.1:453 -b ''
-A -t 10.9.0.1:453 -b flag-1,flag-1
-A -t 10.9.0.1:454 -s sh -b flag-1,flag-2,flag-3
-A -t 10.9.0.1:455 -s mh -b mh-fallback
-A -t 10.9.0.1:456 -s mh -b flag-3
-A -t 10.9.0.1:457 -b flag-1,flag-2,flag-3
-A -t 10.9.0.1:458 -b sh-port -s sh
-A -t 10.9.0.1:459 -s mh -b sh-port
-A -t 10.9.0.1:460 --pe sip
-A -t 10.9.0.1:461 --pe sip -p
-A -u 10.9.0.1:461 --pe sip
-A -u 10.9.0.1:462 --pe sip -p
-A -u 10.9.0.1:463 -o
-A -f 463 -o
-A --sctp-service 10.9.0.1:464 -o
-A -f 464
-a -f 464 -r 1.1.1.1:90 -g
-a -f 464 -r 1.1.1.2:90 -i
-a -f 464 -r 1.1.1.3:90 -m
-a -f 464 -r 1.1.1.4 -m
-a -f 464 -r fd00::4 -m
-a -f 464 -r fd00::4 -i
-a -f 464 -r fd00::5
-a -f 464 -r [fd00::6]:80 -i
-a -f 464 -r [fd00::6]
-a -t 10.9.0.1:81 -r 1.1.1.4 -m
-a -t 10.9.0.1:81 -r 1.1.1.5:0 -m
-a -t 10.9.0.1:81 -r 1.1.1.6:http -m
-a -t 10.9.0.1:81 -r 0.0.0.0:80 -m
-a -t 10.9.0.1:81 -r 255.255.255.255:80 -m
-a -t 10.9.0.1:81 -r 224.0.0.1:80 -m
-a -t 10.9.0.1:81 -r 127.0.0.1 -m
-a -t 10.9.0.1:81 -r 1.1.1.7 -x 5 -y 6
-a -t 10.9.0.1:81 -r 1.1.1.8 -w 2147483647
-a -t 10.9.0.1:81 -r 1.1.1.8 -w 2147483648
-a -t 10.9.0.1:81 -r 1.1.1.9 -w 4294967296
-a -t 10.9.0.1:81 -r 1.1.1.9 -w 3_4
-a -t 10.9.0.1:81 -r 1.1.1.9 -w 65536
-a -t 10.9.0.1:81 -r 1.1.1.10 -x -1
-a -t 10.9.0.1:81 -r 1.1.1.10 -x 2147483648
-a -t 10.9.0.1:81 -r 1.1.1.11 -y 65536
-a -t 10.9.0.1:81 -r 1.1.1.12 -i --tun-type GUE --tun-port 1
-a -t 10.9.0.1:81 -r 1.1.1.12 -i --tun-type gue --tun-port 65536
-a -t 10.9.0.1:81 -r 1.1.1.12 -i --tun-type gue --tun-port 0
-a -t 10.9.0.1:81 -r 1.1.1.13 -i --tun-type=gue --tun-port=65535
-e -t 10.9.0.1:81 -r 1.1.1.13 -w 7
-e -t 10.9.0.1:81 -r 1.1.1.4 -w 7
-E -t 10.9.0.1:81 -s rr
-E -t 10.9.0.1:88
-E -t 10.9.0.1:88 -p
-d -t 10.9.0.1:81 -r 1.1.1.4
-d -t 10.9.0.1:81 -r 1.1.1.6:80
-L -t 10.9.0.9:99
-L -n --stats -t 10.9.0.1:81
--set 0 0 0
--set 2147483 5 6
--set 99999999 5 6
--set -1 5 6
--set 1 2 3 4
--set 1 2 -n
-L --timeout
-Z -n
-L -ln
-L -L
-nL
-n
-c
--list --numeric
--list --connections
--list --connection
--save --numeric extra
-A --help
-q
-
''
foo
-R foo
-A -t 10.9.0.1:500 -p 2678400
-A -t 10.9.0.1:501 -p 2678401
--set 2678400 0 0
--set 2678401 0 0
-E -t 10.9.0.1:0
-D -t 10.9.0.1:0
-A -t 10.9.0.1:0 -p
-D -t 10.9.0.1:0
-E -t 10.9.0.1:501 -o
-A -t 10.9.0.1:510 -s rr
-a -t 10.9.0.1:510 -r 1.1.1.1:90 -m
-e -t 10.9.0.1:510 -r 1.1.1.1:90 -g
-e -t 10.9.0.1:510 -r 1.1.1.1:90 -w 9
-e -t 10.9.0.1:510 -r 1.1.1.1:90 -m -w 9
-d -t 10.9.0.1:510 -r 1.1.1.1
-d -t 10.9.0.1:510 -r 1.1.1.1:90
-a -f 77 -r 1.1.1.1
-A -f 77 -o -s rr
-E -f 77 -s wrr -p 10
-D -f 77 -6
-D -f 77
-D -f 77
-L --numeric=3
-A -t 10.9.0.1:511 --ops=1
--persistent=3 -A
-A --persistent= -t 10.9.0.1:511
-A -p= -t 10.9.0.1:511
-Lnx
-A -t 10.9.0.1:512 -s wlc -b sh-port,sh-fallback
-a -t 10.9.0.1:510 -r 1.1.1.1 -6
-A -f 78 -6 -6
-A -6 -f 79 -6
-Z -t 10.9.0.1:510
-Z
-S -n --nosort
-L -n -t 10.9.0.1:510 --nosort
-Ln --syncid 3
-Ln --syncid 300
-L -n -r 1.1.1.1
-C -t 10.9.0.1:510
-C x
-C
-L -n
-R
-R -n
`

// restores are given to -R; ~ ends a line.
var restores = []string{
	"-A -t 10.9.9.1:80~-A -t 10.9.9.1:80~-A -t 10.9.9.2:80",
	"~-A -t 10.9.9.3:80", "# c~-A -t 10.9.9.4:80", "  -A   -t\t10.9.9.5:80  ~",
	"ipvsadm -A -t 10.9.9.6:80~/sbin/ipvsadm -A -t 10.9.9.7:80", "-A -t 10.9.9.1:80~",
	"-A -t 10.9.9.8:80 # comment~-A -t 10.9.9.9:80", `-A -t 10.9.9.10:80\~ -s rr`, "-A -t '10.9.9.11:80'",
	"-S -n~-C~-A -t 10.9.9.12:80", "-A -t 10.9.9.1:80~-L -n", "-A -t 10.9.9.13:0~-A -t 10.9.9.14:80",
	"-Z~-A -t 10.9.9.15:80",
	"", "~~", "foo", "-A -t 10.9.9.16:80\r", "-A -t 10.9.9.17:80~-D -t 10.9.9.99:80",
	"-D -t 10.9.9.99:80~-A -t 10.9.9.18:80", "-D -t 10.9.9.99:80~-Ln", "--set 5 6 7", "-n", "-R",
	"-A -t a.nosuch.example:80~-A -t 10.9.9.19:80",
	"-A -t 10.9.9.20:80 -s rr~-a -t 10.9.9.20:80 -r 1.1.1.1~-e -t 10.9.9.20:80 -r 1.1.1.2~-e -t 10.9.9.20:80 -r " +
		"1.1.1.1 -w 5~-d -t 10.9.9.21:80 -r 1.1.1.1~-a -t 10.9.9.20:80 -r 1.1.1.3",
	"ipvsadm", "ipvsadm~-A -t 10.9.9.21:80", "-A -t \"10.9.9.22:80\"", "-D -t 10.9.9.99:80~foo",
	"--start-daemon master --mcast-interface nosuch~-A -t 10.9.9.23:80",
}
