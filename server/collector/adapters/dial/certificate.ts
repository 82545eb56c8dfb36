import type { TLSSocket } from 'node:tls'
import type { NodeTable } from '../../../contract/answers/node-table.ts'
import { cleanText } from '../untrusted-json.ts'

const DAY_MS = 86_400_000
const MAX_NAMES = 16

/** What a peer showed in its handshake. */
export interface Shown {
  readonly names: readonly string[]
  readonly issuer: string
  /** Epoch ms. */
  readonly notAfter: number
  readonly protocol: string
}

/** Null where the peer showed none, or one without an end. */
export const shownBy = (socket: TLSSocket): Shown | null => {
  const certificate = socket.getPeerX509Certificate()
  const notAfter = Date.parse(certificate?.validTo ?? '')
  if (certificate === undefined || !Number.isFinite(notAfter)) return null
  const named = (certificate.subjectAltName ?? '').split(', ').flatMap((entry) => {
    const [, name] = /^(?:DNS|IP Address):([\w.*:-]{1,253})$/.exec(entry) ?? []
    return name ?? []
  })
  const names = named.length > 0 ? named : [fieldOf(certificate.subject, 'CN') ?? 'nobody by name']
  return {
    names: names.slice(0, MAX_NAMES),
    issuer: fieldOf(certificate.issuer, 'CN') ?? fieldOf(certificate.issuer, 'O') ?? 'unknown',
    notAfter,
    protocol: socket.getProtocol() ?? 'unknown',
  }
}

/** Node writes a name as lines of `CN=…`. */
const fieldOf = (text: string | undefined, field: string): string | null => {
  const line = (text ?? '').split('\n').find((each) => each.startsWith(`${field}=`))
  return line === undefined ? null : cleanText(line.slice(field.length + 1))
}

export const certificateTable = ({ names, issuer, notAfter, protocol }: Shown, now: number): NodeTable => ({
  id: 'certificate',
  title: 'Certificate',
  columns: [
    { key: 'names', label: 'For', cell: 'text' },
    { key: 'issuer', label: 'Issued by', cell: 'text' },
    { key: 'notAfter', label: 'Ends', cell: 'time' },
    { key: 'daysLeft', label: 'Days left', cell: 'count' },
    { key: 'protocol', label: 'Protocol', cell: 'name' },
  ],
  rows: [
    {
      names: names.join(', ').slice(0, 256),
      issuer,
      notAfter,
      daysLeft: Math.floor((notAfter - now) / DAY_MS),
      protocol,
    },
  ],
  total: 1,
})
