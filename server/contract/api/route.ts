import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import type { Role } from '../states.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'
export type Status = 200 | 201 | 202 | 204

/** What is the same in every route, whatever its types. */
interface RouteText {
  method: Method
  /** From the root, `:name` matches one segment. */
  path: string
  /** Heading under which it is listed. */
  tag: string
  /** One sentence. */
  summary: string
  description?: string
  /** Codes of its own, besides those that follow from its role, parameters and body. */
  errors?: readonly ErrorCode[]
  /** Answers of the same status in another media type, with what they are. */
  also?: Readonly<Record<string, string>>
  /** True where there is no JSON at all: `also` says what there is. */
  isText?: boolean
  /** Other statuses that carry the same shape of answer, with what they mean. */
  alsoStatus?: Readonly<Record<number, string>>
}

/** One call of the API, as data: the server binds it, the OpenAPI document lists it, a test asks it. */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
  Who extends Role | null = Role | null,
> extends RouteText {
  /** Who may call it; null: everybody, also without credentials. */
  role: Who
  params: Params
  /** Undefined in those that read no query. */
  query: Query
  body: Body
  /** Undefined: no content. */
  answer: Answer
  status: Status
  hasParams: boolean
  hasQuery: boolean
  hasBody: boolean
  hasAnswer: boolean
}

export type Routes = Readonly<Record<string, Route>>

const nothing = z.undefined()
type Nothing = typeof nothing
const noContent = z.void()

/** A call as its table has it. What is left out is not there: no parameters, no query, no body, no content. */
export const route = <
  const Who extends Role | null,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
  Answer extends z.ZodType = typeof noContent,
>(
  definition: RouteText & {
    role: Who
    params?: Params
    query?: Query
    body?: Body
    answer?: Answer
    /** Default: 200 with an answer, 204 without. */
    status?: Status
  },
): Route<Params, Query, Body, Answer, Who> => {
  const { params, query, body, answer, status, ...text } = definition
  return {
    ...text,
    params: (params ?? nothing) as Params,
    query: (query ?? nothing) as Query,
    body: (body ?? nothing) as Body,
    answer: (answer ?? noContent) as Answer,
    status: status ?? (answer === undefined ? 204 : 200),
    hasParams: params !== undefined,
    hasQuery: query !== undefined,
    hasBody: body !== undefined,
    hasAnswer: answer !== undefined,
  }
}

/** Where the API of this version begins. */
export const V1 = '/api/v1'

/** An id in a path. One that no object could have is not found, like any unknown id. */
export const idParam = z.string().min(1).max(200).describe('Its id, as lists have it')
export const withId = z.object({ id: idParam })
