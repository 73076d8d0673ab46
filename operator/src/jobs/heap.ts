/**
 * Node's heap within the memory of its container.
 *
 * How large: the runtime image sets NODE_OPTIONS so that the heap may take three quarters of the container's
 * memory limit, wherever that limit comes from. A NODE_OPTIONS of the user replaces the image's; the Job
 * builder puts the same option in front of it where it sees the value (podTemplate.env), and the user's own
 * heap options win.
 *
 * When it is full: Node writes a line to stderr and aborts. As the first process of its container that is
 * exit code 139, elsewhere 134; some checks of V8 end as 132 or 133. Only the line shows that it
 * is not another crash. A container that left no termination message has the end of its log there
 * (FallbackToLogsOnError), and the line is in it.
 */
import type { V1EnvVar } from "@kubernetes/client-node";

/** Of the memory limit; the rest is for buffers, code and the new generation. */
const heapOption = "--max-old-space-size-percentage=75";
const nodeOptions = "NODE_OPTIONS";

/** The variables of a task with its heap option; unchanged where they say nothing, the image does then. */
export function withHeapOption(variables: V1EnvVar[]): V1EnvVar[] {
  return variables.map((variable) => {
    const { name, value } = variable;
    const isOpen = name === nodeOptions && value && !/max[-_](old[-_]space|heap)[-_]size/.test(value);
    return isOpen ? { ...variable, value: `${heapOption} ${value}` } : variable;
  });
}

const abortCodes = new Set([132, 133, 134, 139]);
const fullHeap =
  /FATAL ERROR: .*out of memory|Fatal (process|JavaScript) out of memory|instance of 'std::bad_alloc'/;

/** Whether a container that ended so, with this at the end of its log, ran out of memory. */
export const isHeapFull = (exitCode: number | undefined, logEnd: string): boolean =>
  exitCode !== undefined && abortCodes.has(exitCode) && fullHeap.test(logEnd);
