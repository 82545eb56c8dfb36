import { AppError, emailSchema, type Problem, passwordSchema, type User } from '../contract/index.ts'
import { checkValue } from '../contract/issue-words.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import type { SetupLink } from './setup.ts'
import { withStore } from './store-guard.ts'
import type { Users } from './users.ts'

/** Whether there is an administrator, and how the first one is created: from the environment, or by the set-up link. */
export class Administration {
  readonly #store: Store
  readonly #users: Users
  readonly #setup: SetupLink
  readonly #log: Log
  #hasAdmin = false

  constructor(options: { store: Store; users: Users; setup: SetupLink; log: Log }) {
    this.#store = options.store
    this.#users = options.users
    this.#setup = options.setup
    this.#log = options.log
  }

  get hasAdmin(): boolean {
    return this.#hasAdmin
  }

  /** Link to `/setup` while there is no administrator; null otherwise, and once it is an hour old. */
  get link(): string | null {
    return this.#hasAdmin ? null : this.#setup.url
  }

  /** Throws `ERR_CONFIG` for a bad administrator of the environment. */
  async open(email: string | null | undefined, password: string | null | undefined): Promise<void> {
    this.#hasAdmin = await withStore(this.#store, () => this.#users.hasAdmin())
    if (!this.#hasAdmin && email && password) {
      await withStore(this.#store, () => this.#createFirst(email, password))
      this.#hasAdmin = true
    }
    await (this.#hasAdmin ? this.#setup.end() : this.#setup.renew())
  }

  /** By the set-up link. */
  async setUp(body: { key: string; email: string; password: string }, address: string | null): Promise<User> {
    const user = await withStore(this.#store, () => this.#setup.use(body, address))
    this.#hasAdmin = true
    return user
  }

  /** A user was created; where it is the first administrator, the set-up link is over. */
  async created({ role }: User): Promise<void> {
    if (role !== 'admin' || this.#hasAdmin) return
    this.#hasAdmin = true
    await this.#setup.end()
  }

  async #createFirst(email: string, password: string): Promise<void> {
    const problems: Problem[] = [
      ...problemsOf('TIDEGATE_ADMIN_EMAIL', checkValue(emailSchema, email)),
      ...problemsOf('TIDEGATE_ADMIN_PASSWORD', checkValue(passwordSchema, password)),
    ]
    if (problems.length > 0) {
      const sentence = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
      throw new AppError('ERR_CONFIG', `The first administrator cannot be created: ${sentence}`, { problems })
    }
    await this.#users.createFirst({ email, password }, { name: 'environment', role: 'admin', address: null })
    this.#log.info({ email }, 'the first administrator was created from the environment')
  }
}

const problemsOf = (
  path: string,
  checked: { error?: { issues: { message: string }[] } | undefined },
): Problem[] => (checked.error?.issues ?? []).map(({ message }) => ({ path, message }))
