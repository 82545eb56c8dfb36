import type { z } from 'zod'
import type { Caller } from '../auth/auth.ts'
import type { Route, Routes } from '../contract/api/route.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiContext } from './context.ts'
import { noSuch, readBody, readQuery } from './input.ts'

/** A call as its handler sees it: who asks is known, and what they ask for is checked. */
export interface Request<R extends Route> {
  params: z.output<R['params']>
  query: z.output<R['query']>
  /** Reads and checks the body. Throws `ERR_MEDIA_TYPE`, `ERR_TOO_LARGE`, `ERR_INVALID`. */
  body(): Promise<z.output<R['body']>>
  /** Null where everybody may call. */
  caller: R['role'] extends null ? null : Caller
  /** For headers, and for answers that are not JSON. */
  context: ApiContext
}

type Answer<R extends Route> = z.output<R['answer']> | Response

/** What answers a call: the object of its schema, or a whole response where it is not JSON. */
export type Handler<R extends Route> = (request: Request<R>) => Answer<R> | Promise<Answer<R>>

/** One handler for every call of a table; TypeScript sees that none is missing and none is left over. */
export type Handlers<T extends Routes> = { readonly [Name in keyof T]: Handler<T[Name]> }

/** Binds a table of calls to their handlers. The role is checked before anything else of the request is read. */
export const serve = <T extends Routes>(
  app: ApiApp,
  access: Access,
  routes: T,
  handlers: Handlers<T>,
): void => {
  for (const [name, route] of Object.entries(routes)) {
    // Of a single entry TypeScript knows only that it is a `Route`; the types were checked above, for the whole table.
    const handle = handlers[name] as unknown as Handler<Route>
    const answer = async (context: ApiContext, caller: Caller | null): Promise<Response> => {
      const result = await handle({
        params: paramsOf(route, context),
        query: route.hasQuery ? readQuery(context, route.query) : undefined,
        body: () => readBody(context, route.body, route.role === null),
        caller: caller as never,
        context,
      })
      if (result instanceof Response) return result
      return route.hasAnswer ? context.json(result, route.status as 200) : context.body(null, 204)
    }
    app.on(
      route.method,
      route.path,
      route.role === null
        ? access.open((context) => answer(context, null))
        : access.needs(route.role, answer),
    )
  }
}

/** An id that no object could have is not found, like any unknown id. */
const paramsOf = (route: Route, context: ApiContext): unknown => {
  if (!route.hasParams) return undefined
  const params = context.req.param()
  const parsed = route.params.safeParse(params)
  if (parsed.success) return parsed.data
  const name = String(parsed.error.issues[0]?.path[0] ?? '')
  throw noSuch(name, (params as Record<string, string>)[name] ?? '')
}
