import { Attempts } from '../auth/attempts.ts'
import type { AccessRequest, Caller } from '../auth/auth.ts'
import { type ClientAddresses, createClientAddresses } from '../auth/client-address.ts'
import { isMutation } from '../auth/request.ts'
import { AppError, type Role } from '../contract/index.ts'
import { within } from '../time/deadline.ts'
import type { ApiContext, ApiOptions } from './context.ts'

/** Changes one caller may make in a minute: a script that loops must not fill the audit. */
const changesPerMinute = 600

export type Handler = (context: ApiContext) => Promise<Response>

type Answer = Promise<Response> | Response

/** Access to the handlers: each is wrapped by the role it needs, and asks for it before it reads anything else. */
export class Access {
  readonly #auth: ApiOptions['auth']
  readonly #clients: ClientAddresses
  readonly #deadlineMs: number
  readonly #changes = new Attempts({ limit: changesPerMinute, windowMs: 60_000 })

  constructor({ auth, clients, deadlineMs }: ApiOptions) {
    this.#auth = auth
    this.#clients = clients ?? createClientAddresses([])
    this.#deadlineMs = deadlineMs ?? 30_000
  }

  /** The handler behind the check of `role`, a limit on changes, and a deadline. */
  needs(role: Role, work: (context: ApiContext, caller: Caller) => Answer): Handler {
    return (context) =>
      this.#inTime(async () => {
        const caller = await this.#auth.requireRole(this.requestOf(context), role)
        if (isMutation(context.req.method)) this.#changes.take(caller.name)
        return work(context, caller)
      })
  }

  /** A handler that everybody may call. It has the deadline too. */
  open(work: (context: ApiContext) => Answer): Handler {
    return (context) => this.#inTime(() => work(context))
  }

  /** What signing in and roles need to know of a request. */
  requestOf({ req, env }: ApiContext): AccessRequest {
    return {
      method: req.method,
      headers: req.raw.headers,
      address: this.#clients.addressOf(env.incoming),
      encrypted: this.#clients.isEncrypted(env.incoming),
    }
  }

  #inTime(work: () => Answer): Promise<Response> {
    return within(this.#deadlineMs, async () => work(), { late: () => this.#giveUp() })
  }

  #giveUp(): never {
    const seconds = this.#deadlineMs / 1_000
    throw new AppError('ERR_CAPACITY', `The answer took longer than ${seconds} s and was given up`, {
      ceiling: 'handlerSeconds',
      limit: seconds,
    })
  }
}
