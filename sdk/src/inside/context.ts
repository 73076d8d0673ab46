/** The run that this process executes, as its host says; undefined outside of a run. */
import type { TaskContext } from "@fairlead/protocol/context";
import { slot } from "../slots.ts";

export const currentContext = (): TaskContext | undefined => slot<{ ctx?: TaskContext }>("task-context")?.ctx;
