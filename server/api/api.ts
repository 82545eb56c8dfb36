import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { ulid } from 'ulid'
import { V1 } from '../contract/api/route.ts'
import { ROUTES } from '../contract/api/table.ts'
import { AppError } from '../contract/index.ts'
import { Access } from './access.ts'
import { configHandlers } from './config.ts'
import type { ApiApp, ApiOptions, Env } from './context.ts'
import { demoHandlers } from './demo.ts'
import { drainHandlers } from './drains.ts'
import { eventHandlers } from './events.ts'
import { answerFailure } from './failure.ts'
import { fleetHandlers } from './fleet.ts'
import { healthzHandlers } from './healthz.ts'
import { incidentHandlers } from './incidents.ts'
import { laterHandlers } from './later.ts'
import { maintenanceHandlers } from './maintenance.ts'
import { notificationHandlers } from './notifications.ts'
import { peopleHandlers } from './people.ts'
import { seriesHandlers } from './series.ts'
import { serve } from './serve.ts'
import { signInHandlers } from './sign-in.ts'
import { systemHandlers } from './system.ts'

export type { ApiOptions } from './context.ts'

export interface ApiRoute {
  method: string
  path: string
}

export interface Api {
  /** For Node's own server. Never throws; answers every path under `/api`, `/healthz` and `/metrics`. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Every route there is. */
  readonly routes: readonly ApiRoute[]
}

/** The part of the server that programs talk to. Each handler asks for the caller's role before it does anything else. */
export const createApi = (options: ApiOptions): Api => {
  const app: ApiApp = new Hono<Env>()
  const access = new Access(options)

  app.use(async (context, next) => {
    const requestId = ulid()
    context.set('requestId', requestId)
    await next()
    context.header('X-Request-Id', requestId)
    context.header('Cache-Control', 'no-store')
    context.header('X-Content-Type-Options', 'nosniff')
  })
  app.onError((error, context) => answerFailure(options, context, error))

  serve(app, access, ROUTES, {
    ...fleetHandlers(options),
    ...seriesHandlers(options),
    ...eventHandlers(options),
    ...incidentHandlers(options),
    ...drainHandlers(options),
    ...maintenanceHandlers(options),
    ...systemHandlers(options),
    ...configHandlers(options),
    ...notificationHandlers(options),
    ...peopleHandlers(options),
    ...signInHandlers(options, access),
    ...demoHandlers(options),
    ...laterHandlers(options),
    ...healthzHandlers(options),
  })

  const routes: ApiRoute[] = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({ method, path }))
  addTheRest(app, access, routes)

  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      options.log.warn({ err: error }, 'a request could not be read')
      const failure = new AppError('ERR_INVALID', 'The request could not be read', { problems: [] })
      return Response.json(failure.toBody(), { status: failure.status })
    },
  })
  return {
    routes,
    handle(request, response) {
      listener(request, response).catch((error: unknown) => {
        options.log.error({ err: error }, 'an answer could not be sent')
        response.destroy()
      })
    },
  }
}

/** The methods of a path; `:name` matches one segment. */
const methodsOf = (routes: readonly ApiRoute[], path: string): string[] => {
  const segments = path.split('/')
  const fits = (pattern: string) => {
    const parts = pattern.split('/')
    return (
      parts.length === segments.length &&
      parts.every((part, index) => (part.startsWith(':') ? segments[index] !== '' : part === segments[index]))
    )
  }
  return [...new Set(routes.filter((route) => fits(route.path)).map((route) => route.method))]
}

/** Answers what no route took: a wrong method, or no such path. Below `/api/v1` strangers do not learn which. */
const addTheRest = (app: ApiApp, access: Access, routes: readonly ApiRoute[]): void => {
  const refuse = (path: string, method: string): { allow: string[]; error: AppError | null } => {
    const methods = methodsOf(routes, path)
    if (methods.length === 0)
      return {
        allow: [],
        error: new AppError('ERR_NOT_FOUND', `There is nothing at ${path.slice(0, 200)}`, {}),
      }
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS']
    if (method === 'OPTIONS') return { allow, error: null }
    return {
      allow,
      error: new AppError('ERR_METHOD', `${path.slice(0, 200)} takes ${allow.join(', ')}`, {
        allowed: allow,
      }),
    }
  }
  const answer = (context: Parameters<Parameters<Access['open']>[0]>[0]): Response => {
    const { allow, error } = refuse(context.req.path, context.req.method)
    if (allow.length > 0) context.header('Allow', allow.join(', '))
    if (error) throw error
    return context.body(null, 204)
  }
  app.all(`${V1}/*`, access.needs('viewer', answer))
  app.all('*', access.open(answer))
}
