import { z } from 'zod'

const keptSchema = z.object({ epoch: z.string(), disabled: z.array(z.string()) })

/** What is known of the frontends of one run of HAProxy beyond what it says. */
interface Known {
  epoch: string
  /** Those that were disabled through this collector: only they are enabled again. */
  disabled: Set<string>
  /** Those without a socket: HAProxy calls them OPEN, and has nothing to disable. */
  unbound: Set<string>
}

/** What drains of whole processes did to their frontends. A run that ends takes it along: the next one has them all open. */
export class Frontends {
  readonly #known = new Map<string, Known>()

  /** Names that were disabled here in this run; null where it is not known, because nothing was asked since this process began. */
  disabled(id: string, epoch: string): ReadonlySet<string> | null {
    const known = this.#known.get(id)
    return known?.epoch === epoch ? known.disabled : null
  }

  unbound(id: string, epoch: string): ReadonlySet<string> {
    const known = this.#known.get(id)
    return known?.epoch === epoch ? known.unbound : NONE
  }

  addDisabled(id: string, epoch: string, names: readonly string[]): void {
    const { disabled } = this.#of(id, epoch)
    for (const name of names) disabled.add(name)
  }

  addUnbound(id: string, epoch: string, name: string): void {
    const { disabled, unbound } = this.#of(id, epoch)
    unbound.add(name)
    disabled.delete(name)
  }

  /** What has to be known to enable them again, for a process that comes after this one. */
  toKeep(id: string, epoch: string): string {
    return JSON.stringify({ epoch, disabled: [...(this.disabled(id, epoch) ?? [])] })
  }

  /** Takes up what an earlier process kept; of another run of HAProxy, or none of ours, it says nothing. */
  takeBack(id: string, epoch: string, kept: string): void {
    if (this.disabled(id, epoch) !== null) return
    const read = keptSchema.safeParse(parsed(kept))
    if (read.success && read.data.epoch === epoch) this.addDisabled(id, epoch, read.data.disabled)
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  #of(id: string, epoch: string): Known {
    const known = this.#known.get(id)
    if (known?.epoch === epoch) return known
    const fresh = { epoch, disabled: new Set<string>(), unbound: new Set<string>() }
    this.#known.set(id, fresh)
    return fresh
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const NONE: ReadonlySet<string> = new Set()
