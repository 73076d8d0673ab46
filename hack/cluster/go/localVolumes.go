package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	// Written on a claim by the controller manager: who is to make its volume.
	provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
	// Written on a volume by its provisioner: the controller manager then leaves its deletion to us.
	provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
)

// localVolumes is the provisioner behind the default StorageClass: a claim's volume is the folder
// <root>/pvc-<uid of the claim>, as a PersistentVolume of type local, which (unlike hostPath) honours fsGroup.
// All nodes live on this machine and share its file system, so every volume is reachable from every node. The
// folder belongs to root with mode 0755, as a fresh file system on a real disk: a pod that is not root needs
// fsGroup. Level-triggered: an item of the queue is the name of a claim or volume, looked at anew each time.
type localVolumes struct {
	name, root string
	client     kubernetes.Interface
	factory    informers.SharedInformerFactory
	queue      workqueue.TypedRateLimitingInterface[item]
}

// An item names a claim (with namespace) or a volume (without).
type item struct{ namespace, name string }

func runLocalVolumes() int {
	flags := flag.NewFlagSet("local-volumes", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "path of the kubeconfig file")
	root := flags.String("root", "", "folder that holds one folder per volume")
	name := flags.String("provisioner", "fairlead.dev/local-volumes", "provisioner of the StorageClass to serve")
	_ = flags.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err == nil && !filepath.IsAbs(*root) {
		err = fmt.Errorf("--root must be an absolute path")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "local-volumes:", err)
		return 1
	}
	client := kubernetes.NewForConfigOrDie(config)
	volumes := &localVolumes{
		name: *name, root: *root, client: client,
		factory: informers.NewSharedInformerFactory(client, 10*time.Minute),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[item](200*time.Millisecond, 30*time.Second)),
	}
	volumes.run(ctx)
	return 0
}

func (v *localVolumes) run(ctx context.Context) {
	enqueue := func(object any) {
		if meta, ok := object.(metav1.Object); ok {
			v.queue.Add(item{meta.GetNamespace(), meta.GetName()})
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: enqueue, UpdateFunc: func(_, now any) { enqueue(now) }}
	_, _ = v.factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(handler)
	_, _ = v.factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(handler)
	v.factory.Start(ctx.Done())
	v.factory.WaitForCacheSync(ctx.Done())
	klog.InfoS("Serving claims", "provisioner", v.name, "root", v.root)
	go func() {
		<-ctx.Done()
		v.queue.ShutDown()
	}()
	for {
		next, shutdown := v.queue.Get()
		if shutdown {
			return
		}
		if err := v.reconcile(ctx, next); err != nil {
			klog.ErrorS(err, "Will try again", "namespace", next.namespace, "name", next.name)
			v.queue.AddRateLimited(next)
		} else {
			v.queue.Forget(next)
		}
		v.queue.Done(next)
	}
}

func (v *localVolumes) reconcile(ctx context.Context, next item) error {
	if next.namespace == "" {
		volume, err := v.factory.Core().V1().PersistentVolumes().Lister().Get(next.name)
		if err != nil {
			return ignoreNotFound(err)
		}
		return v.release(ctx, volume)
	}
	claim, err := v.factory.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(next.namespace).Get(next.name)
	if err != nil {
		return ignoreNotFound(err)
	}
	return v.provision(ctx, claim)
}

func (v *localVolumes) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	wanted := claim.Annotations[provisionerAnnotation] == v.name && claim.Spec.VolumeName == "" && claim.DeletionTimestamp == nil
	if !wanted || claim.Spec.StorageClassName == nil {
		return nil
	}
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return fmt.Errorf("volumeMode Block is not offered by this provisioner, only Filesystem")
	}
	class, err := v.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(v.root, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedByAnnotation: v.name}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              class.Name,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			MountOptions:                  class.MountOptions,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			// A local volume must name its nodes: here all of them.
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"},
				}}}},
			}},
		},
	}
	_, err = v.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		klog.InfoS("Made a volume", "claim", klog.KObj(claim), "path", path)
	}
	return err
}

// release deletes the data and then the object of a volume whose claim is gone, if its policy says so.
func (v *localVolumes) release(ctx context.Context, volume *corev1.PersistentVolume) error {
	ours := volume.Annotations[provisionedByAnnotation] == v.name && volume.Spec.Local != nil
	ended := volume.Status.Phase == corev1.VolumeReleased || volume.Status.Phase == corev1.VolumeFailed
	if !ours || !ended || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	// Nothing but a folder that provision made is ever removed, whatever the object says.
	path := filepath.Clean(volume.Spec.Local.Path)
	if filepath.Dir(path) != filepath.Clean(v.root) || !strings.HasPrefix(filepath.Base(path), "pvc-") {
		return fmt.Errorf("volume %s: path %s is not a folder of this provisioner", volume.Name, path)
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	klog.InfoS("Removed a volume", "volume", volume.Name, "path", path)
	return ignoreNotFound(v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
