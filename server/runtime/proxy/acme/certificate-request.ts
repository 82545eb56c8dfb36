import { type KeyObject, sign } from 'node:crypto'

/** DER (X.690 §8): one value with its tag and its length. */
const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const size = length < 0x1_00 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const SEQUENCE = 0x30
const SET = 0x31
const VERSION_1 = Buffer.from('020100', 'hex')
const NO_SUBJECT = Buffer.from('3000', 'hex')
/** 1.2.840.113549.1.9.14, 2.5.29.17 and 1.2.840.10045.4.3.2. */
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex')
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')

/**
 * A request for a certificate of one name (PKCS #10, RFC 2986), as DER. The name stands where authorities look for it (RFC 8555 §7.4), in the
 * extension; the subject stays empty. Both keys are of P-256.
 */
export const certificateRequest = (name: string, publicKey: KeyObject, privateKey: KeyObject): Buffer => {
  const names = der(SEQUENCE, der(0x82, Buffer.from(name, 'latin1')))
  const extensions = der(SEQUENCE, der(SEQUENCE, SUBJECT_ALT_NAME, der(0x04, names)))
  const attributes = der(0xa0, der(SEQUENCE, EXTENSION_REQUEST, der(SET, extensions)))
  const info = der(
    SEQUENCE,
    VERSION_1,
    NO_SUBJECT,
    publicKey.export({ type: 'spki', format: 'der' }),
    attributes,
  )
  const signature = sign('sha256', info, privateKey)
  return der(SEQUENCE, info, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature))
}
