import type { Asked, Observation } from '../adapter.ts'
import type { Facts } from '../facts.ts'
import { cleanText } from '../untrusted-json.ts'
import type { Look, Looks } from './looks.ts'
import type { Level, RuntimeApi } from './runtime-api.ts'
import type { HaproxyTarget } from './target.ts'

/** Of one look, or of one line of commands. */
const CALL_TIMEOUT_MS = 3_000
/** Below the line that HAProxy reads as one (`tune.bufsize`, 16 384 by default). */
const MAX_LINE_CHARS = 8_000

export const ACCEPTED: Asked = { kind: 'accepted' }
export const refused = (why: string): Asked => ({ kind: 'refused', why })

/** Tells one HAProxy what to do, and finds out whether it did. */
export class Telling {
  /** How it is seen, and what is remembered of that. */
  readonly looks: Looks
  readonly #api: RuntimeApi
  readonly #target: () => HaproxyTarget

  /** @param target asked for each call: a node may have moved meanwhile */
  constructor(api: RuntimeApi, looks: Looks, target: () => HaproxyTarget) {
    this.looks = looks
    this.#api = api
    this.#target = target
  }

  get target(): HaproxyTarget {
    return this.#target()
  }

  look(): Promise<Look> {
    return this.looks.at(this.target, CALL_TIMEOUT_MS)
  }

  async observe(): Promise<Observation> {
    const { heard, facts } = await this.look()
    if (facts !== undefined) return { facts }
    if (heard.isHeard) return { facts: null, silent: false }
    return { facts: null, silent: true, refused: heard.isAbsent === true }
  }

  /** Why nothing can be told here, as far as polls have seen it; undefined where nothing is known against it. */
  get known(): string | undefined {
    const { id } = this.target
    const level = this.looks.levelOf(id)
    return level === null || level === 'admin' ? undefined : `${id}: ${readOnlyWords(level)}`
  }

  /** What is seen where something can be told; else why nothing can be. */
  async see(): Promise<{ kind: 'seen'; look: Look; facts: Facts } | Asked> {
    const look = await this.look()
    const hindrance = this.#hindrance(look)
    if (hindrance !== null || look.facts === undefined) return hindrance ?? refused('it cannot be read')
    return { kind: 'seen', look, facts: look.facts }
  }

  /**
   * Sends commands of which each that is obeyed answers nothing. Resolves with what each of them answered, in order (empty: obeyed), or
   * with why nobody knows.
   */
  async tell(commands: readonly string[]): Promise<string[] | { unheard: string }> {
    const { id } = this.target
    const answers: string[] = []
    for (const line of linesOf(commands)) {
      const heard = await this.#api.ask(this.target, line, CALL_TIMEOUT_MS)
      if (heard.text === undefined) return { unheard: `${id}: ${heard.reason}` }
      const spoken = answersIn(heard.text)
      if (spoken.length !== line.length)
        return { unheard: `${id} answered ${spoken.length} of ${line.length} commands` }
      answers.push(...spoken)
    }
    return answers
  }

  /** Why a look allows nothing to be told, or null where it does. */
  #hindrance({ heard, fault, answer }: Look): Asked | null {
    const { id } = this.target
    if (fault !== null || answer === undefined) {
      const why = `${id}: ${fault ?? heard.reason}`
      return heard.outcome === 'ok' ? refused(why) : { kind: 'unheard', why }
    }
    return heard.level === undefined || heard.level === 'admin'
      ? null
      : refused(`${id}: ${readOnlyWords(heard.level)}`)
  }
}

/** Why nothing can be told through a socket of this level. */
const readOnlyWords = (level: Level): string =>
  `its runtime API allows only reading (level ${level}); write \`level admin\` in its \`stats socket\` line to have it drained`

/** Commands by the lines in which they are sent. */
const linesOf = (commands: readonly string[]): string[][] => {
  const lines: string[][] = []
  let chars = MAX_LINE_CHARS
  for (const command of commands) {
    chars += command.length + 1
    if (chars > MAX_LINE_CHARS) {
      lines.push([])
      chars = command.length
    }
    lines.at(-1)?.push(command)
  }
  return lines
}

/** What each of some commands answered: an empty line after its words, or that alone where it obeyed in silence. */
const answersIn = (text: string): string[] => {
  const answers: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = text[at] === '\n' ? at : text.indexOf('\n\n', at)
    answers.push(cleanText(text.slice(at, end < 0 ? undefined : end)).trim())
    at = end < 0 ? text.length : end + (end === at ? 1 : 2)
  }
  return answers
}
