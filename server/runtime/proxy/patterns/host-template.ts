import type { Captures } from './captures.ts'

const PLACEHOLDER = /\{([^{}]*)\}/g
/** What a client may put into the name of a machine: part of one label. */
const LABEL_PART = /^[a-z0-9-]{1,63}$/

export const isTemplate = (host: string): boolean => /[{}]/.test(host)

const namesIn = (host: string): string[] => [...host.matchAll(PLACEHOLDER)].map(([, name = '']) => name)

/** What is wrong with a computed host, in words that follow its route's name; null where nothing is. */
export const templateFault = (host: string, captures: readonly string[]): string | null => {
  const unknown = namesIn(host).find((name) => !captures.includes(name))
  if (unknown !== undefined)
    return `names the host ${host}, and {${unknown}} is no parameter of its path, such as "/users/:${unknown === '' ? 'id' : unknown}"`
  if (!/^[A-Za-z0-9._-]*$/.test(host.replace(PLACEHOLDER, '')))
    return `names the host ${host}, which is no host name`
  // Digits alone would be an address: whoever asks could then choose any machine.
  const last = host.replace(PLACEHOLDER, '{}').split('.').at(-1) ?? ''
  if (/^[A-Za-z]/.test(last)) return null
  return `names the host ${host}, whose last part must begin with a letter of its own, so that no client can make an address of it`
}

/** The host of a target that is computed from a request's path. */
export class HostTemplate {
  readonly #pieces: string[]

  constructor(host: string) {
    // Literal, name, literal, …
    this.#pieces = host.split(PLACEHOLDER)
  }

  /** Null where a capture is not what a host name may be made of. */
  of(captures: Captures): string | null {
    let host = ''
    for (const [index, piece] of this.#pieces.entries()) {
      if (index % 2 === 0) {
        host += piece
        continue
      }
      const value = captures[piece] ?? ''
      if (!LABEL_PART.test(value)) return null
      host += value
    }
    return host.length <= 253 ? host : null
  }
}
