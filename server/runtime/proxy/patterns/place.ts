import { type Captures, NO_CAPTURES } from './captures.ts'
import { hostName } from './host-name.ts'

const PLACEHOLDER = /\{([^{}]*)\}/g
const OF_REQUEST = ['host', 'path', 'query'] as const

/** What is wrong with the `to` of a redirect, in words that follow its route's name; null where nothing is. `captures`: names of the path. */
export const placeFault = (to: string, captures: readonly string[]): string | null => {
  const known = [...OF_REQUEST, ...captures]
  const unknown = [...to.matchAll(PLACEHOLDER)]
    .map(([, name = '']) => name)
    .find((name) => !known.includes(name))
  if (unknown !== undefined)
    return `sends to {${unknown}}, which is none of ${known.map((name) => `{${name}}`).join(', ')}`
  if (!/^[\x21-\x7e]+$/.test(to))
    return 'sends to what is no URL: it has blanks, or characters that are not ASCII'
  // What a client writes must never choose the machine, unless {host} says so: //evil is a host to browsers, and so is /\evil.
  if (/^https?:\/\/(?:[A-Za-z0-9]|\{host\}|\[)/.test(to)) return authorityFault(to)
  if (/^\/(?:[A-Za-z0-9._~-]|$)/.test(to)) return null
  return 'sends to what begins neither with http://, https:// and a host, nor with / and a path; for example https://{host}{path}{query}'
}

/** The host of a URL is written out or is `{host}`; what stands for anything else comes behind it. */
const authorityFault = (to: string): string | null => {
  const authority = /^https?:\/\/(\{host\}|[^/{?#]*)(.*)$/.exec(to)
  const rest = authority?.[2] ?? ''
  if (/^(?:$|[/?#]|\{path\}|:\d{1,5}(?:$|[/?#]|\{path\}))/.test(rest)) return null
  return 'puts together the name of a host; write it out, or take {host}, and go on with {path} or /'
}

/** RFC 3986 §2: what may stand in a path or query; anything else would be read differently by different clients. */
const plain = (text: string): string =>
  text.replace(/[^A-Za-z0-9\-._~:/?@!$&'()*+,;=%[\]]/g, (character) => encodeURIComponent(character))

/** Where a redirect leads. */
export class Place {
  readonly #pieces: string[]

  constructor(to: string) {
    // Literal, name, literal, …
    this.#pieces = to.split(PLACEHOLDER)
  }

  /** For a request; null where it does not say what is needed. */
  of({ host, target }: { host: string; target: string }, captures: Captures = NO_CAPTURES): string | null {
    const query = target.indexOf('?')
    let place = ''
    for (const [index, piece] of this.#pieces.entries()) {
      if (index % 2 === 0) place += piece
      else if (piece === 'host') {
        if (host === '') return null
        place += hostName(host)
      } else if (piece === 'path') {
        // `*` is no path (RFC 9112 §3.2.4), and would go on with the name of the host.
        if (target !== '*') place += plain(query < 0 ? target : target.slice(0, query))
      } else if (piece === 'query') place += query < 0 ? '' : plain(target.slice(query))
      else place += plain(captures[piece] ?? '')
    }
    return place
  }
}
