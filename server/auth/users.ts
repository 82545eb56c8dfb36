import { ulid } from 'ulid'
import { type Actor, AppError, type Role, type User } from '../contract/index.ts'
import { plural, verbFor } from '../contract/words.ts'
import { writeAudit } from '../store/audit.ts'
import type { PrismaClient } from '../store/sqlite-store.ts'
import type { Passwords } from './passwords.ts'

/** Users there may be at once; the list is answered whole. */
const maxUsers = 10_000

interface Row {
  id: string
  email: string
  role: string
  createdAt: Date
}

const toUser = (row: Row): User => ({
  id: row.id,
  email: row.email,
  role: row.role as Role,
  createdAt: row.createdAt.toISOString(),
})

const lastAdmin = (email: string) =>
  new AppError(
    'ERR_CONFLICT',
    `${email} is the last administrator; make somebody else an administrator first`,
    { email },
  )

type Transaction = Parameters<Parameters<PrismaClient['$transaction']>[0]>[0]

/** People who may sign in. Passwords are hashed with scrypt, as the sign-in expects them. */
export class Users {
  readonly #prisma: PrismaClient
  readonly #passwords: Passwords
  readonly #now: () => number

  constructor(options: { prisma: PrismaClient; passwords: Passwords; now: () => number }) {
    this.#prisma = options.prisma
    this.#passwords = options.passwords
    this.#now = options.now
  }

  async list(): Promise<User[]> {
    return (
      await this.#prisma.user.findMany({ orderBy: [{ createdAt: 'asc' }, { email: 'asc' }], take: maxUsers })
    ).map(toUser)
  }

  async find(id: string): Promise<User | null> {
    const row = await this.#prisma.user.findUnique({ where: { id } })
    return row ? toUser(row) : null
  }

  async hasAdmin(): Promise<boolean> {
    return (await this.#prisma.user.count({ where: { role: 'admin' } })) > 0
  }

  /** Throws `ERR_CONFLICT` where somebody has that address already, `ERR_CAPACITY`. */
  async create(request: { email: string; password: string; role: Role }, actor: Actor): Promise<User> {
    const password = await this.#hash(request.password)
    return this.#prisma.$transaction((tx) => this.#insert(tx, { ...request, password }, actor))
  }

  /**
   * Makes the first administrator, if `claim` (run in the same transaction) agrees and there is none yet. Answers null where
   * somebody was quicker.
   */
  async createFirst(
    request: { email: string; password: string },
    actor: Actor,
    claim: (tx: Transaction) => Promise<boolean> = async () => true,
  ): Promise<User | null> {
    const password = await this.#hash(request.password)
    return this.#prisma.$transaction(async (tx) => {
      if ((await tx.user.count({ where: { role: 'admin' } })) > 0) return null
      if (!(await claim(tx))) return null
      return this.#insert(tx, { email: request.email, password, role: 'admin' }, actor)
    })
  }

  /** Answers the user and the ids of the sessions that ended by it. Throws `ERR_NOT_FOUND`, `ERR_CONFLICT` for the last administrator. */
  async change(
    id: string,
    patch: { role?: Role | undefined; password?: string | undefined },
    actor: Actor,
  ): Promise<{ user: User; ended: string[] }> {
    const password = patch.password === undefined ? undefined : await this.#hash(patch.password)
    return this.#prisma.$transaction(async (tx) => {
      const before = await this.#required(tx, id)
      if (before.role === 'admin' && patch.role !== undefined && patch.role !== 'admin')
        await this.#keepAdmin(tx, before)
      const user = await tx.user.update({
        where: { id },
        data: patch.role === undefined ? {} : { role: patch.role },
      })
      if (password !== undefined)
        await tx.account.updateMany({ where: { userId: id, providerId: 'credential' }, data: { password } })
      await this.#audit(tx, actor, 'user.change', user.email, {
        before: { role: before.role },
        after: { role: user.role, ...(password === undefined ? {} : { password: 'changed' }) },
      })
      const changed = password !== undefined || (patch.role !== undefined && patch.role !== before.role)
      return { user: toUser(user), ended: changed ? await this.#endSessions(tx, id) : [] }
    })
  }

  /** Answers the ids of the sessions that ended by it. Throws as `change` does. */
  async remove(id: string, actor: Actor): Promise<string[]> {
    return this.#prisma.$transaction(async (tx) => {
      const user = await this.#required(tx, id)
      if (user.role === 'admin') await this.#keepAdmin(tx, user)
      const ended = await this.#endSessions(tx, id)
      await tx.user.delete({ where: { id } })
      await this.#audit(tx, actor, 'user.remove', user.email, { before: { role: user.role }, after: null })
      return ended
    })
  }

  /** Whoever gets here has shown a key or is an administrator. */
  #hash(password: string): Promise<string> {
    return this.#passwords.inTurn('known', () => this.#passwords.hash(password))
  }

  async #required(tx: Transaction, id: string): Promise<User> {
    const row = await tx.user.findUnique({ where: { id } })
    if (!row) throw new AppError('ERR_NOT_FOUND', `There is no user ${id}`, { id })
    return toUser(row)
  }

  async #keepAdmin(tx: Transaction, user: User): Promise<void> {
    if ((await tx.user.count({ where: { role: 'admin' } })) <= 1) throw lastAdmin(user.email)
  }

  async #endSessions(tx: Transaction, userId: string): Promise<string[]> {
    const sessions = await tx.session.findMany({ where: { userId }, select: { id: true } })
    await tx.session.deleteMany({ where: { userId } })
    return sessions.map((session) => session.id)
  }

  /** In the transaction of the change: neither is there without the other. */
  async #audit(
    tx: Transaction,
    actor: Actor,
    action: string,
    object: string,
    change: { before: unknown; after: unknown },
  ): Promise<void> {
    const at = new Date(this.#now()).toISOString()
    await writeAudit(tx, {
      at,
      actor: actor.name,
      address: actor.address,
      action,
      object,
      ...change,
      reason: null,
    })
  }

  async #insert(
    tx: Transaction,
    request: { email: string; password: string; role: Role },
    actor: Actor,
  ): Promise<User> {
    const email = request.email.toLowerCase()
    if (await tx.user.findUnique({ where: { email } })) {
      throw new AppError('ERR_CONFLICT', `A user with the address ${email} exists already`, { email })
    }
    if ((await tx.user.count()) >= maxUsers)
      throw new AppError(
        'ERR_CAPACITY',
        `There ${verbFor(maxUsers, 'is', 'are')} ${plural(maxUsers, 'user')} already`,
        { limit: maxUsers },
      )
    const now = this.#now()
    const id = ulid(now)
    const createdAt = new Date(now)
    const row = await tx.user.create({
      data: { id, email, name: email, emailVerified: true, role: request.role, createdAt },
    })
    await tx.account.create({
      data: {
        id: ulid(now),
        userId: id,
        accountId: id,
        providerId: 'credential',
        password: request.password,
      },
    })
    await this.#audit(tx, actor, 'user.create', email, { before: null, after: { role: request.role } })
    return toUser(row)
  }
}
