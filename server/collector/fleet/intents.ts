import { INTENTS, type Intent } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import { Turn } from '../../time/turn.ts'

const INTENTS_KEY = 'collector.intents'

/** What operators want of nodes, kept over restarts. Who is not named serves. */
export class Intents {
  readonly #store: Pick<Store, 'setting' | 'setSetting'>
  readonly #log: Log
  readonly #wanted = new Map<string, Intent>()
  readonly #saving = new Turn()

  constructor(store: Pick<Store, 'setting' | 'setSetting'>, log: Log) {
    this.#store = store
    this.#log = log
  }

  /** @param isMember of one that left while nobody looked nothing is kept */
  async load(isMember: (node: string) => boolean): Promise<void> {
    const text = await this.#store.setting(INTENTS_KEY)
    if (text === null) return
    try {
      for (const [node, intent] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
        const known = INTENTS.find((word) => word === intent)
        if (known && isMember(node)) this.#wanted.set(node, known)
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'the stored intents cannot be read; drains will state theirs again')
    }
  }

  /** Undefined where nothing is wanted but that it serves. */
  of(node: string): Intent | undefined {
    return this.#wanted.get(node)
  }

  /** What is wanted of these nodes from now on. */
  set(nodes: readonly string[], intent: Intent): void {
    for (const node of nodes) {
      if (intent === 'serving') this.#wanted.delete(node)
      else this.#wanted.set(node, intent)
    }
    const text = JSON.stringify(Object.fromEntries(this.#wanted))
    this.#saving
      .run(() => this.#store.setSetting(INTENTS_KEY, text))
      // The drain that wants it is durable by itself and will say so again.
      .catch((error: unknown) => this.#log.warn({ err: error }, 'the intents could not be saved'))
  }
}
