{{/* What the operator may do where TaskRuns are: in all namespaces, or in each of those that are watched. */}}

{{- define "fairlead.controllerRules" -}}
- { apiGroups: [fairlead.dev], resources: [tasks], verbs: [get, list, watch] }
- { apiGroups: [fairlead.dev], resources: [taskruns, taskqueues, taskschedules], verbs: [get, list, watch, create, patch, delete] }
- { apiGroups: [fairlead.dev], resources: [taskbatches, waittokens], verbs: [get, list, watch, delete] }
- apiGroups: [fairlead.dev]
  resources: [taskruns/status, tasks/status, taskbatches/status, taskqueues/status, taskschedules/status, waittokens/status]
  verbs: [update, patch]
# A Role allows to read its own namespace, and cannot allow to list them.
- { apiGroups: [""], resources: [namespaces], verbs: [{{ .Values.watchNamespaces | empty | ternary "get, list, watch" "get" }}] }
- { apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete] }
- { apiGroups: [""], resources: [pods], verbs: [get, list, watch, patch] }
- { apiGroups: [""], resources: [pods/log], verbs: [get] }
- { apiGroups: [""], resources: [events], verbs: [list, create, patch] }
- { apiGroups: [apps], resources: [controllerrevisions], verbs: [get, list, create, patch, delete] }
# The Lease that says which release owns the namespace. `create`, `list` and `watch` cannot be limited to names.
- { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, watch, create] }
- { apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [fairlead-owner], verbs: [get, update, patch] }
{{- end }}

{{- define "fairlead.apiRules" -}}
- { apiGroups: [fairlead.dev], resources: [taskruns], verbs: [get, list, watch, create, update, patch] }
# The log of a run that goes on.
- { apiGroups: [""], resources: [pods/log], verbs: [get] }
# A deployment's.
- { apiGroups: [fairlead.dev], resources: [taskqueues], verbs: [get, list, create, patch] }
- { apiGroups: [fairlead.dev], resources: [tasks], verbs: [get, list, create, patch, delete] }
- { apiGroups: [fairlead.dev], resources: [taskbatches], verbs: [get, list, watch, create, delete] }
- { apiGroups: [fairlead.dev], resources: [taskschedules], verbs: [get, list, create, patch, delete] }
- { apiGroups: [fairlead.dev], resources: [waittokens], verbs: [get, list, watch, create] }
- apiGroups: [fairlead.dev]
  resources: [taskruns/status, taskbatches/status, taskqueues/status, taskschedules/status, waittokens/status]
  verbs: [update, patch]
# The environment variables of a namespace; `create` is limited to their Secret, because it is applied.
- { apiGroups: [""], resources: [secrets], resourceNames: [fairlead-env], verbs: [get, create, patch] }
- { apiGroups: [""], resources: [namespaces], verbs: [get] }
- { apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [fairlead-owner], verbs: [get] }
# Whose attempt a pod is that shows its token.
- { apiGroups: [batch], resources: [jobs], verbs: [get] }
- { apiGroups: [""], resources: [pods], verbs: [get, list] }
{{- if empty .Values.watchNamespaces }}
# The keys that such tokens are signed with. A Role cannot allow it; by default Kubernetes allows it to every
# service account (ClusterRole system:service-account-issuer-discovery).
- { nonResourceURLs: [/openid/v1/jwks], verbs: [get] }
{{- end }}
{{- end }}

{{/* In the release's namespace. `create` cannot be limited to names. */}}
{{- define "fairlead.controllerOwnRules" -}}
- { apiGroups: [""], resources: [namespaces], resourceNames: [{{ .Release.Namespace }}], verbs: [get] }
- { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create] }
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "fairlead.fullname" . }}-controller]
  verbs: [get, update, patch]
{{- $names := list (include "fairlead.redisSecret" .) (include "fairlead.objectStoreSecret" .) }}
- { apiGroups: [""], resources: [secrets], resourceNames: {{ $names | compact | uniq | toJson }}, verbs: [get] }
# Those that it makes; the API's it may not read.
- { apiGroups: [""], resources: [secrets], verbs: [create] }
{{- end }}

{{- define "fairlead.apiOwnRules" -}}
{{- $names := list (include "fairlead.objectStoreSecret" .) (include "fairlead.signingSecret" .) }}
- { apiGroups: [""], resources: [secrets], resourceNames: {{ $names | uniq | toJson }}, verbs: [get] }
{{- $keys := list (include "fairlead.apiKeySecret" .) (include "fairlead.apiKeysSecret" .) }}
- { apiGroups: [""], resources: [secrets], resourceNames: {{ $keys | uniq | toJson }}, verbs: [list, watch] }
{{- if not .Values.objectStore.embedded }}
# Its uid is the prefix of our keys in a bucket that others may use.
- { apiGroups: [""], resources: [namespaces], resourceNames: [{{ .Release.Namespace }}], verbs: [get] }
{{- end }}
{{- end }}
