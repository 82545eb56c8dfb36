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

const NONE: ReadonlySet<string> = new Set()
