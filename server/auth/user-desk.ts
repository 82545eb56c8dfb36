import { type Actor, AppError, passwordSchema, type Role, type User } from '../contract/index.ts'
import { checkValue } from '../contract/issue-words.ts'
import type { Store } from '../store/store.ts'
import type { Administration } from './administration.ts'
import type { Revocations } from './revocations.ts'
import { withStore } from './store-guard.ts'
import type { Users } from './users.ts'

/** What administrators do to users; changing or removing a user ends that user's sessions. */
export class UserDesk {
  readonly #store: Store
  readonly #users: Users
  readonly #administration: Administration
  readonly #revocations: Revocations

  constructor(options: {
    store: Store
    users: Users
    administration: Administration
    revocations: Revocations
  }) {
    this.#store = options.store
    this.#users = options.users
    this.#administration = options.administration
    this.#revocations = options.revocations
  }

  list(): Promise<User[]> {
    return withStore(this.#store, () => this.#users.list())
  }

  find(id: string): Promise<User | null> {
    return withStore(this.#store, () => this.#users.find(id))
  }

  async create(body: { email: string; password: string; role: Role }, actor: Actor): Promise<User> {
    const user = await withStore(this.#store, () => this.#users.create(body, actor))
    await this.#administration.created(user)
    return user
  }

  async change(
    id: string,
    patch: { role?: Role | undefined; password?: string | undefined },
    actor: Actor,
  ): Promise<User> {
    const { user, ended } = await withStore(this.#store, () => this.#users.change(id, patch, actor))
    this.#revocations.sessionsEnded(ended)
    return user
  }

  async remove(id: string, actor: Actor): Promise<void> {
    this.#revocations.sessionsEnded(await withStore(this.#store, () => this.#users.remove(id, actor)))
  }

  /** For the machine's owner. Ends the user's sessions. Throws `ERR_NOT_FOUND`, `ERR_INVALID`. */
  async resetPassword(email: string, password: string): Promise<void> {
    const checked = checkValue(passwordSchema, password)
    if (!checked.success) {
      const problems = checked.error.issues.map(({ message }) => ({ path: 'password', message }))
      throw new AppError('ERR_INVALID', `The password ${problems.map(({ message }) => message).join('; ')}`, {
        problems,
      })
    }
    const user = (await this.list()).find((each) => each.email === email.toLowerCase())
    if (!user) throw new AppError('ERR_NOT_FOUND', `There is no user ${email}`, { email })
    await this.change(user.id, { password }, { name: 'owner', role: 'admin', address: null })
  }
}
