// The Integration API's contract, as far as it is publicly visible, for a real WCF host.

using System;
using System.Collections.Generic;
using System.Runtime.Serialization;
using System.ServiceModel;

namespace C4B.Atlas.Integration
{
    [DataContract]
    [Flags]
    public enum TelephoneState
    {
        [EnumMember] Unknown = 0,
        [EnumMember] NoLine = 1,
        [EnumMember] Free = 2,
        [EnumMember] Busy = 4,
        [EnumMember] BusyExternal = 8,
        [EnumMember] Ringing = 16,
        [EnumMember] RingingMultiple = 32,
        [EnumMember] RingingExternal = 64,
        [EnumMember] Forward = 256,
        [EnumMember] ForwardMailbox = 512,
        [EnumMember] DoNotDisturb = 1024,
        [EnumMember] DoNotDisturbMainLine = 2048,
        [EnumMember] ForwardMainLine = 4096
    }

    [DataContract]
    public enum TeamDeskAgentState
    {
        [EnumMember] None,
        [EnumMember] LoggedIn
    }

    [DataContract]
    public enum UserInfo
    {
        [EnumMember] PresenceState,
        [EnumMember] PresenceText,
        [EnumMember] TelephoneState,
        [EnumMember] TeamDesk
    }

    [DataContract]
    public enum PresenceChange
    {
        [EnumMember] PresenceState,
        [EnumMember] PresenceText,
        [EnumMember] TelephoneState
    }

    [DataContract]
    public class PresenceMapEntry
    {
        [DataMember] public string Origin { get; set; }
        [DataMember] public string PresenceStateGuid { get; set; }
        [DataMember] public string PresenceStateTeamStatusText { get; set; }
        [DataMember] public TeamDeskAgentState TeamDeskAgentState { get; set; }
        [DataMember] public TelephoneState TelephoneState { get; set; }
        [DataMember] public string UserEmail { get; set; }
    }

    [DataContract]
    [KnownType(typeof(TelephoneState))]
    [KnownType(typeof(TeamDeskAgentState))]
    public class UserInfoChangedEventArgs
    {
        [DataMember] public UserInfo ChangedInfo { get; set; }
        [DataMember] public object ContentNew { get; set; }
        [DataMember] public object ContentOld { get; set; }
        [DataMember] public string Origin { get; set; }
        [DataMember] public string UserEmail { get; set; }
    }

    [DataContract]
    [KnownType(typeof(TelephoneState))]
    public class PresenceChangedEventArgs
    {
        [DataMember] public object ContentNew { get; set; }
        [DataMember] public object ContentOld { get; set; }
        [DataMember] public string Origin { get; set; }
        [DataMember] public PresenceChange Type { get; set; }
        [DataMember] public string UserEmail { get; set; }
    }

    public static class Names
    {
        public const string Namespace = "http://C4B.XPhone.IntegrationServicesContract";
        public const string Version = "IIntegrationClientContract.GetServerContractVersion";
    }

    [ServiceContract(Namespace = Names.Namespace, Name = "IIntegrationClientBaseContract")]
    public interface IIntegrationClientBaseContract
    {
        [OperationContract(Name = Names.Version)]
        int GetServerContractVersion();
    }

    [ServiceContract(Namespace = Names.Namespace, Name = "IIntegrationClientContract_v2", CallbackContract = typeof(IIntegrationClientCallback))]
    public interface IIntegrationClientContract_v2 : IIntegrationClientBaseContract
    {
        [OperationContract] List<PresenceMapEntry> GetEmailPresenceMap();
        [OperationContract] bool TryGetUserPresence(string EmailAddress, out PresenceMapEntry PresenceData);
        [OperationContract] void SetUserPresence(PresenceMapEntry PresenceData, string Language);
        [OperationContract] void RemovePresenceSetByOrigin(string EmailAddress, string Origin);
        [OperationContract] void SubscribeUserInfoChangedEvent();
        [OperationContract] void UnSubscribeUserInfoChangedEvent();
        [OperationContract] void SubscribeUserPresenceChangedEvent();
        [OperationContract] void UnSubscribeUserPresenceChangedEvent();
        [OperationContract] void KeepAlive();
    }

    public interface IIntegrationClientCallback
    {
        [OperationContract(IsOneWay = true)] void UserInfoChanged(List<UserInfoChangedEventArgs> a_args);
        [OperationContract(IsOneWay = true)] void PresenceChanged(List<PresenceChangedEventArgs> a_args);
    }
}
