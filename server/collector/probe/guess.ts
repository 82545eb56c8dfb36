import type { ProbeGuess } from '../../contract/answers/node-probe.ts'
import type { TlsMaterial } from '../../contract/kinds/entry.ts'
import { NODE_KINDS, type NodeKind } from '../../contract/states.ts'
import { authHeaders, type BasicAuth, explained } from '../adapters/basic-auth.ts'
import type { HttpAnswer, HttpProbe } from '../adapters/http-probe.ts'
import { KNOWN_PATHS, type Sign, signsOf } from './signs.ts'

/** What one answer of an unknown system says. */
export interface Sniffed {
  guesses: ProbeGuess[]
  /** The answer to what was asked for literally. */
  asked: HttpAnswer
  /** Text of the likeliest answer, for values to choose from; null where there is none. */
  text: string | null
}

const MAX_SNIFF_BYTES = 4 * 1024 * 1024
/** What an exporter answers may be larger than what a page needs to be known. */
const LOOKED_AT = 64 * 1024

/** Asks an address for what it is: as it was given, and where that says little and has no path, at the paths that programs are known by. */
export const guessHttp = async (
  probe: HttpProbe,
  { url, tls, auth }: { url: string; tls?: TlsMaterial | undefined; auth?: BasicAuth | undefined },
): Promise<Sniffed> => {
  const target = { id: 'guess', url, embedded: false, tls }
  const options = { accept: '*/*', maxBytes: MAX_SNIFF_BYTES, headers: authHeaders(auth) }
  const ask = async (path: string): Promise<HttpAnswer> =>
    explained(await probe.ask(target, path, options), auth)
  const { pathname, search, origin } = new URL(url)
  const asked = await ask(`${pathname}${search}`)
  const found: { sign: Sign; at: string; text: string }[] = []
  const look = (answer: HttpAnswer, path: string, at: string): void => {
    if (answer.text === undefined) return
    for (const sign of signsOf(answer.text.slice(0, LOOKED_AT), path))
      found.push({ sign, at, text: answer.text })
  }
  look(asked, pathname, url)
  // Who began an answer and did not end it would do so at each of those paths.
  const reaches = asked.status !== null && asked.outcome !== 'timeout'
  if (pathname === '/' && search === '' && reaches && !found.some(({ sign }) => sign.strong)) {
    for (const path of KNOWN_PATHS) {
      const answer = await ask(path)
      // A page that answers everything with itself says nothing by another path either.
      if (answer.text !== undefined && answer.text !== asked.text) look(answer, path, `${origin}${path}`)
      if (answer.status === null || answer.outcome === 'timeout' || found.some(({ sign }) => sign.strong))
        break
    }
  }
  found.sort((a, b) => rankOf(a.sign) - rankOf(b.sign))
  const seen = new Set<string>()
  const all = found.flatMap(({ sign, at }) => {
    const key = `${sign.kind} ${sign.preset ?? ''}`
    const { kind, preset, why } = sign
    if (seen.has(key) || !isRead(kind)) return []
    seen.add(key)
    const where = addressFor(kind, at, origin)
    return [
      { kind, ...(preset === undefined ? {} : { preset }), ...(where === url ? {} : { url: where }), why },
    ]
  })
  // Everything that answers can be looked at from outside: worth saying where nothing else is known of it.
  const others = all.filter(({ kind }) => kind !== 'http')
  const guesses = others.length === 0 ? all : others
  return { guesses, asked, text: found[0]?.text ?? null }
}

/** Kinds that have paths of their own are named by their address alone. */
const addressFor = (kind: string, at: string, origin: string): string =>
  kind === 'tidegate' || kind === 'envoy' || kind === 'caddy' ? origin : at

const rankOf = (sign: Sign): number => (sign.strong ? 0 : sign.kind === 'json' ? 1 : 2)

/** Whether this version has an adapter for it. */
export const isRead = (kind: string): kind is NodeKind => (NODE_KINDS as readonly string[]).includes(kind)
