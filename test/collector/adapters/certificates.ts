import { generate } from 'selfsigned'

/** A certificate with its key, as PEM. */
export interface Certificate {
  cert: string
  key: string
}

const DAY_MS = 86_400_000

/** An authority of its own. */
export const makeAuthority = async (name: string): Promise<Certificate> => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true },
    ],
  })
  return { cert, key }
}

/** A certificate that an authority signed: for 127.0.0.1, unless names are given. */
export const issue = async (
  authority: Certificate,
  options: { names?: string[]; endedDaysAgo?: number; name?: string } = {},
): Promise<Certificate> => {
  const ended = options.endedDaysAgo
  const { cert, private: key } = await generate([{ name: 'commonName', value: options.name ?? 'node' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: authority,
    ...(ended === undefined
      ? {}
      : {
          notBeforeDate: new Date(Date.now() - (ended + 30) * DAY_MS),
          notAfterDate: new Date(Date.now() - ended * DAY_MS),
        }),
    extensions: [
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames: options.names?.map((value) => ({ type: 2 as const, value })) ?? [
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { cert, key }
}
