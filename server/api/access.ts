import { Attempts } from '../auth/attempts.ts'
import type { AccessRequest, Caller } from '../auth/auth.ts'
import { createClientAddresses } from '../auth/client-address.ts'
import { isMutation } from '../auth/request.ts'
import { AppError, type Role } from '../contract/index.ts'
import { within } from '../time/deadline.ts'
import type { ApiContext, ApiOptions } from './context.ts'

/** Changes one caller may ask for in a minute; a loop that went wrong must not fill the audit. */
const changesPerMinute = 600

export type Handler = (context: ApiContext) => Promise<Response>

/** Access to the handlers: each is wrapped by the role it needs, and asks for it before it reads anything else. */
export interface Access {
  /** The handler behind the check of `role`, a limit on changes, and a deadline. */
  needs(role: Role, work: (context: ApiContext, caller: Caller) => Promise<Response> | Response): Handler
  /** A handler that everybody may call. It has the deadline too. */
  open(work: (context: ApiContext) => Promise<Response> | Response): Handler
  requestOf(context: ApiContext): AccessRequest
}

export const createAccess = (options: ApiOptions): Access => {
  const changes = new Attempts({ limit: changesPerMinute, windowMs: 60_000 })
  const deadlineMs = options.deadlineMs ?? 30_000
  const clients = options.clients ?? createClientAddresses([])

  const requestOf = (context: ApiContext): AccessRequest => ({
    method: context.req.method,
    headers: context.req.raw.headers,
    address: clients.addressOf(context.env.incoming),
    encrypted: clients.isEncrypted(context.env.incoming),
  })

  const seconds = deadlineMs / 1_000
  const late = (): never => {
    throw new AppError('ERR_CAPACITY', `The answer took longer than ${seconds} s and was given up`, {
      ceiling: 'handlerSeconds',
      limit: seconds,
    })
  }
  const inTime = (work: () => Promise<Response> | Response): Promise<Response> =>
    within(deadlineMs, async () => work(), { late })

  return {
    requestOf,
    open: (work) => (context) => inTime(() => work(context)),
    needs: (role, work) => (context) =>
      inTime(async () => {
        const caller = await options.auth.requireRole(requestOf(context), role)
        if (isMutation(context.req.method)) changes.take(caller.name)
        return work(context, caller)
      }),
  }
}
