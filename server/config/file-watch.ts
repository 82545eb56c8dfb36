import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'

const LOOK_MS = 1_000

/**
 * What distinguishes one state of a file from another, also where it was replaced within the same second or is a link that leads
 * elsewhere.
 */
interface Stamp {
  dev: bigint
  ino: bigint
  size: bigint
  mtimeNs: bigint
  ctimeNs: bigint
}

const textOf = ({ dev, ino, size, mtimeNs, ctimeNs }: Stamp): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(':')

/**
 * Watches a few files by looking at them once a second: that works on every file system, for editors that write a new file and rename it,
 * and for mounted volumes whose links are swapped. A change is reported once the file has stayed the same for one look, so that a file
 * which is half written is left alone.
 */
export class FileWatch {
  readonly #onChange: () => void
  readonly #everyMs: number
  /** Each file as it was when it was read last. */
  #known: ReadonlyMap<string, string>
  /** The same as of the last look. */
  #before: ReadonlyMap<string, string>
  #timer: NodeJS.Timeout | null = null

  /** The files count as read now. */
  constructor(options: { files: readonly string[]; onChange: () => void; everyMs?: number }) {
    this.#onChange = options.onChange
    this.#everyMs = options.everyMs ?? LOOK_MS
    this.#known = new Map(options.files.map((file) => [file, stampNow(file)]))
    this.#before = this.#known
  }

  start(): void {
    this.#timer ??= setTimeout(() => void this.#look(), this.#everyMs)
    this.#timer.unref()
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** They are about to be read: what changes from here on is a change. */
  reading(): void {
    this.#known = new Map([...this.#known.keys()].map((file) => [file, stampNow(file)]))
    this.#before = this.#known
  }

  /** Other files matter from now on. Those that were not watched before have just been read. */
  setFiles(files: readonly string[]): void {
    this.#known = new Map(files.map((file) => [file, this.#known.get(file) ?? stampNow(file)]))
    this.#before = this.#known
  }

  async #look(): Promise<void> {
    const known = this.#known
    const stamps = await Promise.all(
      [...known.keys()].map(async (file) => [file, await stampOf(file)] as const),
    )
    if (this.#timer === null) return
    // Read meanwhile: what was seen may be older.
    if (known === this.#known) {
      const now = new Map(stamps)
      const isStill = isSame(now, this.#before)
      this.#before = now
      if (isStill && !isSame(now, known)) {
        this.#known = now
        this.#onChange()
      }
    }
    this.#timer = setTimeout(() => void this.#look(), this.#everyMs)
    this.#timer.unref()
  }
}

const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([file, stamp]) => b.get(file) === stamp)

const stampOf = (file: string): Promise<string> =>
  stat(file, { bigint: true }).then(textOf, (error: NodeJS.ErrnoException) => error.code ?? 'unreadable')

const stampNow = (file: string): string => {
  try {
    return textOf(statSync(file, { bigint: true }))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable'
  }
}
