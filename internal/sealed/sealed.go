// Package sealed encrypts passwords with AES-256-GCM, each bound to the place that it belongs to, so that a row copied elsewhere in
// a database opens nothing.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
)

// version begins what Seal makes.
const version = "v1:"

// Seal encrypts a text for a place.
func Seal(key []byte, text, place string) (string, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return "", err
	}
	return version + base64.StdEncoding.EncodeToString(gcm.Seal(nil, nil, []byte(text), []byte(place))), nil
}

// Open gives the text that was sealed for the place with the same key, or an error.
func Open(key []byte, sealed, place string) (string, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return "", err
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sealed, version))
	if err != nil {
		return "", fmt.Errorf("frappems: this is no password that was encrypted: %w", err)
	}
	text, err := gcm.Open(nil, nil, data, []byte(place))
	return string(text), err
}

// newGCM makes the cipher, which puts a random nonce before what it seals.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
