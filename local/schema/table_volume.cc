#include "local/schema/tables.h"

namespace millrace::schema {

// Volumes and where their content comes from. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kVolumeTable = R"(
@ core.v1
Volume -- A folder or device that containers can mount.
 name! string -- Its name.
 hostPath HostPathVolumeSource? -- A folder or file of the node.
 emptyDir EmptyDirVolumeSource? -- An empty folder that lives as long as the pod.
 gcePersistentDisk GCEPersistentDiskVolumeSource? -- A disk of Google Cloud.
 awsElasticBlockStore AWSElasticBlockStoreVolumeSource? -- A disk of Amazon EBS.
 gitRepo GitRepoVolumeSource? -- A checkout of a git repository; deprecated.
 secret SecretVolumeSource? -- Entries of a Secret as files.
 nfs NFSVolumeSource? -- A share of an NFS server.
 iscsi ISCSIVolumeSource? -- A disk by iSCSI.
 glusterfs GlusterfsVolumeSource? -- A volume of GlusterFS.
 persistentVolumeClaim PersistentVolumeClaimVolumeSource? -- The volume that a claim holds.
 rbd RBDVolumeSource? -- An image of Ceph RBD.
 flexVolume FlexVolumeSource? -- A volume of an exec driver; deprecated.
 cinder CinderVolumeSource? -- A disk of OpenStack Cinder.
 cephfs CephFSVolumeSource? -- A folder of CephFS.
 flocker FlockerVolumeSource? -- A Flocker data set.
 downwardAPI DownwardAPIVolumeSource? -- Fields of the pod as files.
 fc FCVolumeSource? -- A disk by Fibre Channel.
 azureFile AzureFileVolumeSource? -- A share of Azure Files.
 configMap ConfigMapVolumeSource? -- Entries of a ConfigMap as files.
 vsphereVolume VsphereVirtualDiskVolumeSource? -- A disk of vSphere.
 quobyte QuobyteVolumeSource? -- A volume of Quobyte.
 azureDisk AzureDiskVolumeSource? -- A disk of Azure.
 photonPersistentDisk PhotonPersistentDiskVolumeSource? -- A disk of Photon.
 projected ProjectedVolumeSource? -- Several sources in one folder.
 portworxVolume PortworxVolumeSource? -- A volume of Portworx.
 scaleIO ScaleIOVolumeSource? -- A volume of ScaleIO.
 storageos StorageOSVolumeSource? -- A volume of StorageOS.
 csi CSIVolumeSource? -- A volume of a CSI driver, made for the pod.
 ephemeral EphemeralVolumeSource? -- A claim made for the pod, gone with it.
 image ImageVolumeSource? -- The content of an image, read only.
HostPathVolumeSource -- A folder or file of the node.
 path! string -- Path below the folder, or of the request.
 type string:HostPathType? enum=|BlockDevice|CharDevice|Directory|DirectoryOrCreate|File|FileOrCreate|Socket ="" -- Which kind it is.
EmptyDirVolumeSource -- An empty folder that lives as long as the pod.
 medium string:StorageMedium -- Where it is kept: empty for disk, or Memory.
 sizeLimit quantity? -- Most it may hold.
GCEPersistentDiskVolumeSource -- A disk of Google Cloud.
 pdName! string -- Name of the disk.
 fsType string -- File system to mount it as.
 partition int32 -- Number of the partition.
 readOnly bool -- Mount it read only.
AWSElasticBlockStoreVolumeSource -- A disk of Amazon EBS.
 volumeID! string -- Identity of the volume.
 fsType string -- File system to mount it as.
 partition int32 -- Number of the partition.
 readOnly bool -- Mount it read only.
GitRepoVolumeSource -- A checkout of a git repository; deprecated.
 repository! string -- Address of the repository.
 revision string -- Which revision it is.
 directory string -- Folder to put it into.
SecretVolumeSource -- Entries of a Secret as files.
 secretName string -- Name of the Secret.
 items [KeyToPath] -- What to show, and where.
 defaultMode int32? =420 -- Mode of the files that name none.
 optional bool? -- Whether it may be missing.
KeyToPath -- An entry and the file it becomes.
 key! string -- Its key.
 path! string -- Path below the folder, or of the request.
 mode int32? -- Mode of the file.
NFSVolumeSource -- A share of an NFS server.
 server! string -- Name or address of the server.
 path! string -- Path below the folder, or of the request.
 readOnly bool -- Mount it read only.
ISCSIVolumeSource -- A disk by iSCSI.
 targetPortal! string -- Address of the portal.
 iqn! string -- Name of the target.
 lun! int32 -- Number of the unit.
 iscsiInterface string ="default" -- Interface to use.
 fsType string -- File system to mount it as.
 readOnly bool -- Mount it read only.
 portals [string] -- More portals.
 chapAuthDiscovery bool -- Whether discovery is authenticated by CHAP.
 chapAuthSession bool -- Whether the session is authenticated by CHAP.
 secretRef LocalObjectReference? -- Secret to authenticate with.
 initiatorName string? -- Name of the initiator.
GlusterfsVolumeSource -- A volume of GlusterFS.
 endpoints! string -- Name of the Endpoints of the servers.
 path! string -- Path below the folder, or of the request.
 readOnly bool -- Mount it read only.
PersistentVolumeClaimVolumeSource -- The volume that a claim holds.
 claimName! string -- Name of the claim.
 readOnly bool -- Mount it read only.
RBDVolumeSource -- An image of Ceph RBD.
 monitors! [string] -- Addresses of the Ceph monitors.
 image! string -- Image of the program.
 fsType string -- File system to mount it as.
 pool string ="rbd" -- Name of the pool.
 user string ="admin" -- Who to act as.
 keyring string ="/etc/ceph/keyring" -- Path of the key ring.
 secretRef LocalObjectReference? -- Secret to authenticate with.
 readOnly bool -- Mount it read only.
FlexVolumeSource -- A volume of an exec driver; deprecated.
 driver! string -- Name of the driver.
 fsType string -- File system to mount it as.
 secretRef LocalObjectReference? -- Secret to authenticate with.
 readOnly bool -- Mount it read only.
 options {string} -- Options by name.
CinderVolumeSource -- A disk of OpenStack Cinder.
 volumeID! string -- Identity of the volume.
 fsType string -- File system to mount it as.
 readOnly bool -- Mount it read only.
 secretRef LocalObjectReference? -- Secret to authenticate with.
CephFSVolumeSource -- A folder of CephFS.
 monitors! [string] -- Addresses of the Ceph monitors.
 path string -- Path below the folder, or of the request.
 user string -- Who to act as.
 secretFile string -- Path of the key ring.
 secretRef LocalObjectReference? -- Secret to authenticate with.
 readOnly bool -- Mount it read only.
FlockerVolumeSource -- A Flocker data set.
 datasetName string -- Name of the data set.
 datasetUUID string -- Identity of the data set.
DownwardAPIVolumeSource -- Fields of the pod as files.
 items [DownwardAPIVolumeFile] -- What to show, and where.
 defaultMode int32? =420 -- Mode of the files that name none.
DownwardAPIVolumeFile -- A field of the pod and the file it becomes.
 path! string -- Path below the folder, or of the request.
 fieldRef ObjectFieldSelector? -- A field of the pod.
 resourceFieldRef ResourceFieldSelector? -- An amount of a container's resources.
 mode int32? -- Mode of the file.
FCVolumeSource -- A disk by Fibre Channel.
 targetWWNs [string] -- World-wide names of the targets.
 lun int32? -- Number of the unit.
 fsType string -- File system to mount it as.
 readOnly bool -- Mount it read only.
 wwids [string] -- World-wide identities of the volume.
AzureFileVolumeSource -- A share of Azure Files.
 secretName! string -- Name of the Secret.
 shareName! string -- Name of the share.
 readOnly bool -- Mount it read only.
ConfigMapVolumeSource -- Entries of a ConfigMap as files.
 name string -- Its name.
 items [KeyToPath] -- What to show, and where.
 defaultMode int32? =420 -- Mode of the files that name none.
 optional bool? -- Whether it may be missing.
VsphereVirtualDiskVolumeSource -- A disk of vSphere.
 volumePath! string -- Path of the disk.
 fsType string -- File system to mount it as.
 storagePolicyName string -- Name of the storage policy.
 storagePolicyID string -- Identity of the storage policy.
QuobyteVolumeSource -- A volume of Quobyte.
 registry! string -- Addresses of the registry.
 volume! string -- Name of the volume.
 readOnly bool -- Mount it read only.
 user string -- Who to act as.
 group string -- Group it belongs to.
 tenant string -- Tenant that owns it.
AzureDiskVolumeSource -- A disk of Azure.
 diskName! string -- Name of the disk.
 diskURI! string -- Address of the disk.
 cachingMode string:AzureDataDiskCachingMode? enum=None|ReadOnly|ReadWrite ="ReadWrite" -- How the host caches it: None, ReadOnly or ReadWrite.
 fsType string? ="ext4" -- File system to mount it as.
 readOnly bool? =false -- Mount it read only.
 kind string:AzureDataDiskKind? enum=Dedicated|Managed|Shared ="Shared" -- Kind of the object.
PhotonPersistentDiskVolumeSource -- A disk of Photon.
 pdID! string -- Identity of the disk.
 fsType string -- File system to mount it as.
ProjectedVolumeSource -- Several sources in one folder.
 sources [VolumeProjection] always -- What is put together.
 defaultMode int32? =420 -- Mode of the files that name none.
VolumeProjection -- One of several sources of a folder.
 secret SecretProjection? -- Entries of a Secret as files.
 downwardAPI DownwardAPIProjection? -- Fields of the pod as files.
 configMap ConfigMapProjection? -- Entries of a ConfigMap as files.
 serviceAccountToken ServiceAccountTokenProjection? -- A token of the service account.
 clusterTrustBundle ClusterTrustBundleProjection? -- Trusted certificates of the cluster.
 podCertificate PodCertificateProjection? -- A certificate made for the pod.
SecretProjection -- Entries of a Secret as files.
 name string -- Its name.
 items [KeyToPath] -- What to show, and where.
 optional bool? -- Whether it may be missing.
DownwardAPIProjection -- Fields of the pod as files.
 items [DownwardAPIVolumeFile] -- What to show, and where.
ConfigMapProjection -- Entries of a ConfigMap as files.
 name string -- Its name.
 items [KeyToPath] -- What to show, and where.
 optional bool? -- Whether it may be missing.
ServiceAccountTokenProjection -- A token of the service account.
 audience string -- Who the token is for.
 expirationSeconds int64? =3600 -- Seconds the token is valid.
 path! string -- Path below the folder, or of the request.
ClusterTrustBundleProjection -- Trusted certificates of the cluster.
 name string? -- Its name.
 signerName string? -- Name of the signer.
 labelSelector LabelSelector? -- Labels by which objects are chosen.
 optional bool? -- Whether it may be missing.
 path! string -- Path below the folder, or of the request.
PodCertificateProjection -- A certificate made for the pod.
 signerName! string omit -- Name of the signer.
 keyType! string omit -- Kind of key.
 maxExpirationSeconds int32? -- Most seconds it may be valid.
 credentialBundlePath string -- File for key and certificates together.
 keyPath string -- File for the key.
 certificateChainPath string -- File for the certificates.
PortworxVolumeSource -- A volume of Portworx.
 volumeID! string -- Identity of the volume.
 fsType string -- File system to mount it as.
 readOnly bool -- Mount it read only.
ScaleIOVolumeSource -- A volume of ScaleIO.
 gateway! string -- Address of the gateway.
 system! string -- Name of the storage system.
 secretRef! LocalObjectReference? -- Secret to authenticate with.
 sslEnabled bool -- Whether to use TLS.
 protectionDomain string -- Name of the protection domain.
 storagePool string -- Name of the pool.
 storageMode string ="ThinProvisioned" -- Thick or thin.
 volumeName string -- Name of the volume.
 fsType string ="xfs" -- File system to mount it as.
 readOnly bool -- Mount it read only.
StorageOSVolumeSource -- A volume of StorageOS.
 volumeName string -- Name of the volume.
 volumeNamespace string -- Namespace of the volume.
 fsType string -- File system to mount it as.
 readOnly bool -- Mount it read only.
 secretRef LocalObjectReference? -- Secret to authenticate with.
CSIVolumeSource -- A volume of a CSI driver, made for the pod.
 driver! string -- Name of the driver.
 readOnly bool? -- Mount it read only.
 fsType string? -- File system to mount it as.
 volumeAttributes {string} -- Settings for the driver.
 nodePublishSecretRef LocalObjectReference? -- Secret for the driver.
EphemeralVolumeSource -- A claim made for the pod, gone with it.
 volumeClaimTemplate PersistentVolumeClaimTemplate? -- The claim to make.
PersistentVolumeClaimTemplate -- A claim to be made.
 metadata ObjectMeta -- Name, labels and the like.
 spec! PersistentVolumeClaimSpec -- What is wanted.
PersistentVolumeClaimSpec -- What a claim asks for.
 accessModes [string:PersistentVolumeAccessMode] -- How it may be mounted.
 selector LabelSelector? -- Labels by which it finds its objects.
 resources VolumeResourceRequirements -- Resources it needs and may use.
 volumeName string -- Name of the volume.
 storageClassName string? -- Name of the storage class.
 volumeMode string:PersistentVolumeMode? enum=Block|Filesystem ="Filesystem" -- Filesystem or Block.
 dataSource TypedLocalObjectReference? -- What it is filled from.
 dataSourceRef TypedObjectReference? -- What it is filled from, of any kind.
 volumeAttributesClassName string? -- Name of the class of its attributes.
VolumeResourceRequirements -- How large a volume is to be.
 limits {quantity}:ResourceList -- Most it may use.
 requests {quantity}:ResourceList -- What it is promised.
TypedLocalObjectReference atomic -- Another object of the same namespace, by kind and name.
 apiGroup string? -- Group of the type.
 kind! string -- Kind of the object.
 name! string -- Its name.
TypedObjectReference -- Another object, by kind and name.
 apiGroup string? -- Group of the type.
 kind! string -- Kind of the object.
 name! string -- Its name.
 namespace string? -- Namespace it is in.
ImageVolumeSource -- Image of the program.
 reference string -- Name of the image.
 pullPolicy string:PullPolicy enum=Always|IfNotPresent|Never -- When the image is pulled.
)";

}  // namespace millrace::schema
