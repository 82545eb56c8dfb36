import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../../../contract/errors.ts'
import type { Log } from '../../../observe/log.ts'
import { certificatesIn, keyIn } from '../tls/pem.ts'

const accountSchema = z.object({
  directoryUrl: z.string(),
  url: z.string().startsWith('https://'),
  key: z.string().refine((text) => keyIn(text)),
})
const certificateSchema = z
  .object({ directoryUrl: z.string(), cert: z.string(), key: z.string() })
  .refine(({ cert, key }) => certificatesIn(cert)[0]?.checkPrivateKey(keyIn(key)) === true)

export type StoredAccount = z.infer<typeof accountSchema>
/** A certificate with those between it and its authority, its key, and who gave it. */
export type StoredCertificate = z.infer<typeof certificateSchema>

/** A name of a file for any name: most are their own. */
const fileOf = (name: string): string =>
  `${/^[a-z0-9.-]{1,200}$/.test(name) ? name : createHash('sha256').update(name).digest('hex')}.json`

/** Accounts and certificates on disk: a folder of 0700, a file of 0600 for each, replaced whole. */
export class AcmeStore {
  readonly #folder: string
  readonly #log: Log
  /** What is wrong, by file, until it was written anew. */
  readonly #problems = new Map<string, string>()
  #isOpen = false

  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
  }

  get problem(): string | null {
    const [first] = this.#problems.values()
    return first ?? null
  }

  /** Throws `ERR_DATA_FOLDER`. */
  async open(): Promise<void> {
    if (this.#isOpen) return
    try {
      for (const folder of [
        this.#folder,
        join(this.#folder, 'accounts'),
        join(this.#folder, 'certificates'),
      ]) {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await chmod(folder, 0o700)
      }
      this.#isOpen = true
    } catch (error) {
      const path = this.#folder
      throw new AppError(
        'ERR_DATA_FOLDER',
        `The store of certificates ${path} cannot be made`,
        { path },
        { cause: error },
      )
    }
  }

  account(directoryUrl: string): Promise<StoredAccount | null> {
    return this.#read(this.#accountPath(directoryUrl), accountSchema)
  }

  /** Never throws: an account that could not be kept is one more tomorrow. */
  async keepAccount(account: StoredAccount): Promise<void> {
    await this.#write(this.#accountPath(account.directoryUrl), account)
  }

  certificate(name: string): Promise<StoredCertificate | null> {
    return this.#read(join(this.#folder, 'certificates', fileOf(name)), certificateSchema)
  }

  /** Never throws: what could not be kept serves until the end of the process, and is said. */
  async keepCertificate(name: string, certificate: StoredCertificate): Promise<void> {
    await this.#write(join(this.#folder, 'certificates', fileOf(name)), certificate)
  }

  #accountPath(directoryUrl: string): string {
    return join(this.#folder, 'accounts', fileOf(directoryUrl))
  }

  async #read<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      this.#say(path, `${path} in the store of certificates cannot be read`, error)
      return null
    }
    try {
      return schema.parse(JSON.parse(text))
    } catch (error) {
      const aside = `${path}.bad`
      const moved = await rename(path, aside).then(
        () => `; it was set aside as ${aside}`,
        () => '',
      )
      this.#say(path, `${path} in the store of certificates is damaged${moved}`, error)
      return null
    }
  }

  async #write(path: string, value: object): Promise<void> {
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await file.writeFile(`${JSON.stringify(value, null, 2)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
      this.#problems.delete(path)
    } catch (error) {
      await unlink(temporary).catch(() => undefined) // It may not exist; the fault below is what matters.
      this.#say(path, `${path} in the store of certificates cannot be written`, error)
    }
  }

  #say(path: string, sentence: string, err: unknown): void {
    this.#problems.set(path, sentence)
    // The schema's complaint would show the text of a key.
    const { code } = err as NodeJS.ErrnoException
    this.#log.warn({ path, ...(typeof code === 'string' ? { code } : {}) }, sentence)
  }
}
