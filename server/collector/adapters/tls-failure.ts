import type { TlsMaterial } from '../../contract/kinds/entry.ts'
import { cleanText } from './untrusted-json.ts'

/** What OpenSSL and Node call it where no certificate led to one that is trusted. */
const UNTRUSTED = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]
/** Alerts by which a server says what it holds of our certificate (RFC 8446 §6.2, RFC 5246 §7.2.2), by the end of OpenSSL's code. */
const ALERTS: readonly (readonly [RegExp, string])[] = [
  [/ALERT_CERTIFICATE_REQUIRED$/, 'it wants one'],
  [/ALERT_UNKNOWN_CA$/, 'it does not trust whoever signed it'],
  [/ALERT_CERTIFICATE_EXPIRED$/, 'it has expired'],
  [/ALERT_CERTIFICATE_REVOKED$/, 'it was revoked'],
  [/ALERT_(?:BAD|UNSUPPORTED)_CERTIFICATE$/, 'it does not take it'],
  [/ALERT_CERTIFICATE_UNKNOWN$/, 'it does not take it'],
  [/ALERT_(?:HANDSHAKE_FAILURE|ACCESS_DENIED|DECRYPT_ERROR)$/, 'it gives no reason'],
]
const NOT_TLS = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST']

/** OpenSSL's own form: `80…:error:0A000119:SSL routines:function:reason:file:line:`, a line for each fault. */
const OPENSSL = /(?:^|:)error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:([^:\n]{1,150})/

/** What somebody threw as part of one sentence: of OpenSSL's lines the reason of the first, and nothing hidden of any other. */
export const plainReason = (message: string): string => {
  const [, said] = OPENSSL.exec(message) ?? []
  return said === undefined
    ? cleanText(message.replaceAll(/\s+/g, ' ').trim()).slice(0, 200)
    : `TLS failed: ${said}`
}

/** What TLS needs to know of whom we ask. */
export interface TlsParty {
  readonly url: string
  readonly tls?: TlsMaterial | undefined
  /** The key of its entry that names who it should be; default `url`. */
  readonly nameKey?: string
  /** Whose keys mend it; default `this entry`, which is that of a node. */
  readonly keysOf?: string
}

/**
 * What is wrong between us and a node, and which key of its entry mends it, in one sentence; null where the codes name nothing that an
 * entry can mend.
 *
 * @param codes of the error and its causes
 */
export const tlsFailure = (codes: readonly string[], message: string, party: TlsParty): string | null => {
  const has = (...wanted: string[]): boolean => codes.some((code) => wanted.includes(code))
  const { tls, nameKey = 'url', keysOf = 'this entry' } = party
  const [there, whose] = party.keysOf === undefined ? ['on the node', 'the node'] : ['there', 'that server']
  if (has(...UNTRUSTED))
    return tls?.ca === undefined
      ? `its certificate is signed by nobody that this machine trusts; name the file of the authority that signed it in ca of ${keysOf}`
      : `its certificate is not signed by an authority in the file that ca of ${keysOf} names`
  if (has('CERT_HAS_EXPIRED')) return `its certificate has expired; renew it ${there}`
  if (has('CERT_NOT_YET_VALID'))
    return `its certificate is not valid yet; look at the clocks of ${whose} and of this machine`
  if (codes.some((code) => code.startsWith('ERROR_IN_CERT_')))
    return `its certificate has a date that cannot be read; issue another one for ${whose}`
  if (has('CERT_REVOKED')) return `its certificate was revoked; renew it ${there}`
  if (has('ERR_TLS_CERT_ALTNAME_INVALID'))
    return `its certificate is for ${namesIn(message)}, not for ${hostOf(party.url)}; put a name that it has into ${nameKey} of ${keysOf}, or issue one for this name`
  if (has(...NOT_TLS))
    return nameKey === 'url'
      ? `what answers there does not speak TLS; url of ${keysOf} may have to begin with http:`
      : 'what answers there does not speak TLS'
  if (has('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_SSL_UNSUPPORTED_PROTOCOL'))
    return 'it speaks only versions of TLS that are not accepted any more (1.2 is needed)'
  for (const [alert, why] of ALERTS)
    if (codes.some((code) => alert.test(code)))
      return clientCertificate(party, `refuses the handshake: ${why}`)
  return null
}

/** A TLS connection that was closed before anything was answered: how servers refuse a certificate, or its absence, without a word. */
export const closedByServer = (party: TlsParty): string =>
  clientCertificate(party, 'closed the connection at the end of the TLS handshake')

const clientCertificate = ({ tls, keysOf = 'this entry' }: TlsParty, what: string): string =>
  tls?.cert === undefined
    ? `it ${what}; it may want a client certificate: name one in cert and key of ${keysOf}`
    : `it ${what}; it may not take our client certificate: look at cert and key of ${keysOf}`

/** Node lists the names after "altnames:"; hostile text, so bounded and plain. */
const namesIn = (message: string): string => {
  const listed = /altnames: (.{1,300})/.exec(message)?.[1] ?? ''
  const names = [
    ...new Set([...listed.matchAll(/(?:DNS|IP Address):([\w.*:-]{1,80})/g)].map(([, name]) => name)),
  ]
  return names.length === 0 ? 'another name' : names.slice(0, 3).join(', ')
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : 'this one')
