package gate

import "errors"

func newNFT(*Set) (driver, error) {
	return nil, errors.New("gate: this build cannot use nftables yet")
}
