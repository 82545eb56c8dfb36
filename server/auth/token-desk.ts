import { type Actor, type ApiToken, AppError, type NewApiToken, type Role } from '../contract/index.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Revocations } from './revocations.ts'

/** What administrators do to API tokens. */
export class TokenDesk {
  readonly #tokens: ApiTokens
  readonly #audit: AuditTrail
  readonly #revocations: Revocations

  constructor(tokens: ApiTokens, audit: AuditTrail, revocations: Revocations) {
    this.#tokens = tokens
    this.#audit = audit
    this.#revocations = revocations
  }

  /** Without their values, which nobody has any more. */
  list(): ApiToken[] {
    return this.#tokens.list()
  }

  async create(
    body: { name: string; role: Role; expiresAt?: string | undefined },
    actor: Actor,
  ): Promise<NewApiToken> {
    this.#tokens.check(body)
    await this.#audit.write(actor, 'token.create', body.name, {
      after: { role: body.role, expiresAt: body.expiresAt ?? null },
    })
    return this.#tokens.create(body)
  }

  async remove(id: string, actor: Actor): Promise<void> {
    const token = this.#tokens.find(id)
    if (token === null) throw new AppError('ERR_NOT_FOUND', `There is no API token ${id}`, { id })
    await this.#audit.write(actor, 'token.remove', token.name, {
      before: { role: token.role, expiresAt: token.expiresAt },
    })
    await this.#tokens.remove(id)
    this.#revocations.tokenEnded(id)
  }
}
